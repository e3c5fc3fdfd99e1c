/** How the table of the reports speaks on its page. */
export interface Words {
  readonly file: string;
  readonly head: readonly string[];
  title(title: string): string;
  passed(passed: number, ran: number): string;
  stress(minutes: number, holds: string, wrong: number): string;
}

const english: Words = {
  file: 'docs/conformance/README.md',
  head: ['', 'tested with', 'MUST', 'SHOULD', 'skipped', 'stress run'],
  title: (title) => title,
  passed: (passed, ran) => `${passed} of ${ran}`,
  stress: (minutes, holds, wrong) => `${minutes} min, ${holds} holds, ${wrong} wrong`,
};

const chineseTitles: Readonly<Record<string, string>> = {
  memory: '内存',
  'Redlock, 5 nodes': 'Redlock，5 个节点',
  'ZooKeeper, 3 servers': 'ZooKeeper，3 台服务器',
  'etcd, 3 members': 'etcd，3 个成员',
};

const chinese: Words = {
  file: 'docs/conformance/README.zh-CN.md',
  head: ['', '测试环境', 'MUST', 'SHOULD', '跳过', '压力测试'],
  title: (title) => chineseTitles[title] ?? title.replace(', ', '，'),
  passed: (passed, ran) => `${passed} / ${ran}`,
  stress: (minutes, holds, wrong) => `${minutes} 分钟，持锁 ${holds} 次，${wrong} 处错误`,
};

export const languages: readonly Words[] = [english, chinese];
