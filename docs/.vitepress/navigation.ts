const items = (...pairs: readonly (readonly [string, string])[]) => pairs.map(([text, link]) => ({ text, link }));

const tutorial = {
  text: 'Tutorial',
  items: items(['Your first fenced write', '/tutorial'], ['Overview', '/overview']),
};
const howTo = {
  text: 'How-to guides',
  items: items(
    ['Recipes', '/how-to/recipes'],
    ['Locks on PostgreSQL', '/how-to/postgres'],
    ['Refuse stale writers', '/reference/packages/guards'],
    ['Traces and metrics', '/reference/packages/opentelemetry'],
    ['Migrate from another library', '/how-to/migration'],
    ['Write an adapter', '/how-to/writing-an-adapter'],
    ['Run your own comparison', '/reference/packages/compare'],
  ),
};
const reference = {
  text: 'Reference',
  items: [
    ...items(
      ['openLocks: URLs, options, errors', '/reference/packages/holdfast'],
      ['Locks: methods and options', '/reference/packages/lock-core'],
      ['Command line', '/reference/command-line'],
      ['API, by package', '/reference/api/'],
      ['Contract', '/reference/contract'],
    ),
    {
      text: 'Backends',
      collapsed: false,
      items: items(
        ['Redis with ioredis', '/reference/packages/adapter-ioredis'],
        ['Redis with node-redis', '/reference/packages/adapter-node-redis'],
        ['Redlock', '/reference/packages/adapter-redlock'],
        ['ZooKeeper', '/reference/packages/adapter-zookeeper'],
        ['etcd', '/reference/packages/adapter-etcd'],
        ['Memory', '/reference/packages/adapter-memory'],
        ['PostgreSQL', '/reference/packages/adapter-postgres'],
      ),
    },
    {
      text: 'For adapter authors',
      collapsed: true,
      items: items(
        ['Conformance suite', '/reference/packages/conformance'],
        ['redis-protocol', '/reference/packages/redis-protocol'],
      ),
    },
  ],
};
const explanation = {
  text: 'Explanation',
  items: items(
    ['How it works', '/explanation/how-it-works'],
    ['Choose a backend', '/explanation/choosing-a-backend'],
    ['Capacity', '/explanation/capacity'],
    ['Known lock bugs', '/explanation/hazards'],
    ['How good is the suite?', '/explanation/mutants'],
    ['Simulation', '/explanation/simulation'],
    ['Security', '/project/security'],
  ),
};
const results = {
  text: 'Results',
  items: items(['Comparison', '/comparison'], ['Conformance', '/conformance/']),
};
const examples = {
  text: 'Examples',
  collapsed: true,
  items: items(
    ['Flash sale', '/examples/flash-sale'],
    ['Scheduled job', '/examples/scheduled-job'],
    ['Cache stampede', '/examples/cache-stampede'],
    ['Connection slots', '/examples/connection-slots'],
    ['Leader', '/examples/leader'],
    ['Readers and a writer', '/examples/readers-and-writer'],
    ['Paused writer', '/examples/paused-writer'],
  ),
};

/** The site in English. */
export const english = {
  label: 'English',
  lang: 'en',
  themeConfig: {
    nav: items(
      ['Tutorial', '/tutorial'],
      ['Recipes', '/how-to/recipes'],
      ['Reference', '/reference/packages/holdfast'],
      ['How it works', '/explanation/how-it-works'],
      ['Comparison', '/comparison'],
    ),
    sidebar: [tutorial, howTo, reference, explanation, results, examples],
  },
};

/** The pages that matter most, in Chinese. */
export const chinese = {
  label: '简体中文',
  lang: 'zh-CN',
  themeConfig: {
    nav: items(
      ['开始', '/zh/overview'],
      ['选择后端', '/zh/choosing'],
      ['契约', '/zh/contract'],
      ['Redis', '/zh/redis'],
    ),
    sidebar: [
      {
        text: '指南',
        items: items(
          ['开始', '/zh/overview'],
          ['选项与出错的时候', '/zh/using'],
          ['选择后端', '/zh/choosing'],
          ['Redis', '/zh/redis'],
          ['契约', '/zh/contract'],
          ['一致性测试结果', '/zh/conformance'],
        ),
      },
    ],
    outline: { label: '本页内容' },
    docFooter: { prev: '上一页', next: '下一页' },
    darkModeSwitchLabel: '外观',
    sidebarMenuLabel: '目录',
    returnToTopLabel: '回到顶部',
    langMenuLabel: '语言',
  },
};
