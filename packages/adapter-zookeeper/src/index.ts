export { zookeeperAdapter } from './adapter.ts';
export type {
  AclEntry,
  ClientFactory,
  ClientOptions,
  ClientRequest,
  ClientResponse,
  ConnectionManager,
  NodeStat,
  ZookeeperClient,
} from './client.ts';
export { openZookeeper, type ZookeeperTarget, zookeeperAdapterFactory } from './open.ts';
export type { ZookeeperOptions } from './options.ts';
export { type AnswerExplanation, explainAnswer } from './server-answers.ts';
export { tolerateUnknownAnswers } from './tolerant-client.ts';
