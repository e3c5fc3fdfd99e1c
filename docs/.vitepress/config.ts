import { defineConfig } from 'vitepress';
import { chinese, english } from './navigation.ts';

/** The anchor that GitHub makes of a heading, so that one link serves both. */
const slugify = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');

const search = {
  translations: {
    button: { buttonText: '搜索', buttonAriaLabel: '搜索' },
    modal: {
      noResultsText: '没有结果',
      resetButtonTitle: '清除',
      footer: { selectText: '选择', navigateText: '切换', closeText: '关闭' },
    },
  },
};

export default defineConfig({
  title: 'Holdfast',
  description:
    'One distributed-lock contract for TypeScript over Redis, Redlock, ZooKeeper, etcd, PostgreSQL and memory',
  base: process.env.SITE_BASE ?? '/',
  srcDir: '../.cache/site',
  outDir: '../.cache/site-dist',
  cacheDir: '../.cache/site-cache',
  cleanUrls: true,
  lastUpdated: false,
  locales: { root: english, zh: chinese },
  themeConfig: {
    outline: [2, 3],
    // Most pages exist in one language only: the menu of languages leads to the home pages.
    i18nRouting: false,
    socialLinks: [{ icon: 'github', link: 'https://github.com/holdfast-locks/holdfast' }],
    // An index in the site itself: it works without a network.
    search: { provider: 'local', options: { locales: { zh: search } } },
  },
  markdown: {
    anchor: { slugify },
    config(md) {
      const fence = md.renderer.rules.fence!;
      md.renderer.rules.fence = (tokens, index, ...rest) => {
        const { info, content } = tokens[index]!;
        if (info.trim() !== 'mermaid') return fence(tokens, index, ...rest);
        return `<Mermaid code="${encodeURIComponent(content)}" />`;
      };
    },
  },
  vite: { server: { fs: { allow: ['../..'] } }, build: { chunkSizeWarningLimit: 5_000 } },
});
