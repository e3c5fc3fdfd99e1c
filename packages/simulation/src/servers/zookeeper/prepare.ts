import { type Identity, permissions, permits, resolveAcl } from './access.ts';
import { errors } from './answers.ts';
import { modes, type Operation } from './requests.ts';
import { type Change, container, parentOf, type Tree } from './tree.ts';

/** A request that changes something, on its way to the leader. */
export interface Write {
  readonly id: number;
  /** Through which server it came. */
  readonly server: number;
  readonly session: bigint;
  readonly identities: readonly Identity[];
  readonly operation: Operation | { readonly kind: 'createSession'; readonly timeoutMs: number };
}

/** What the leader decides about a request. */
export interface Decision {
  readonly change: Change;
  readonly error: number;
  /** Of each of several operations. */
  readonly errors?: readonly number[];
}

const refuse = (error: number): Decision => ({ change: { kind: 'none' }, error });
const accept = (change: Change): Decision => ({ change, error: errors.none });

/** Decides about a request, by the data as they will be after everything that was decided before. */
export function prepare(write: Write, tree: Tree): Decision {
  const { operation, session, identities } = write;
  switch (operation.kind) {
    case 'createSession':
      return accept({ kind: 'createSession', session, timeoutMs: operation.timeoutMs });
    case 'closeSession':
      return accept({ kind: 'closeSession', session });
    case 'create':
      return prepareCreate(operation, session, identities, tree);
    case 'delete':
      return prepareDelete(operation, identities, tree);
    case 'setData':
      return prepareSetData(operation, identities, tree);
    case 'check': {
      const node = tree.nodes.get(operation.path);
      if (node === undefined) return refuse(errors.noNode);
      if (!permits(node.acl, permissions.read, identities)) return refuse(errors.noAuth);
      const isOther = operation.version !== -1 && operation.version !== node.version;
      return refuse(isOther ? errors.badVersion : errors.none);
    }
    case 'multi':
      return prepareAll(write, operation.operations, tree);
    default:
      throw new Error(`A ${operation.kind} changes nothing, and is not for the leader.`);
  }
}

/** All or none: each is decided by the data as those before it leave them. */
function prepareAll(write: Write, operations: readonly Operation[], tree: Tree): Decision {
  const draft = tree.copy();
  const changes: Change[] = [];
  for (const [i, operation] of operations.entries()) {
    const { change, error } = prepare({ ...write, operation }, draft);
    if (error !== errors.none) {
      const told = operations.map((_, j) => (j < i ? errors.none : j === i ? error : errors.runtimeInconsistency));
      return { ...refuse(error), errors: told };
    }
    draft.apply({ zxid: 0, time: 0, change, error, request: undefined }, () => {});
    changes.push(change);
  }
  return { ...accept({ kind: 'multi', changes }), errors: operations.map(() => errors.none) };
}

function prepareCreate(
  { path, data, acl, mode }: Operation & { kind: 'create' },
  session: bigint,
  identities: readonly Identity[],
  tree: Tree,
): Decision {
  const resolved = resolveAcl(acl, identities);
  if (resolved === undefined) return refuse(errors.invalidAcl);
  const parent = tree.nodes.get(parentOf(path));
  if (parent === undefined) return refuse(errors.noNode);
  if (!permits(parent.acl, permissions.create, identities)) return refuse(errors.noAuth);
  const isEphemeral = mode === modes.ephemeralSequential;
  const full = isEphemeral ? path + sequenceNumber(parent.created) : path;
  if (tree.nodes.has(full)) return refuse(errors.nodeExists);
  if (parent.ephemeralOwner !== 0n && parent.ephemeralOwner !== container)
    return refuse(errors.noChildrenForEphemerals);
  const ephemeralOwner = isEphemeral ? session : mode === modes.container ? container : 0n;
  return accept({ kind: 'create', path: full, data, acl: resolved, ephemeralOwner });
}

/** `%010d`: ten characters at least, a sign among them. */
const sequenceNumber = (count: number): string =>
  count < 0 ? `-${String(-count).padStart(9, '0')}` : String(count).padStart(10, '0');

function prepareDelete(
  { path, version }: Operation & { kind: 'delete' },
  identities: readonly Identity[],
  tree: Tree,
): Decision {
  const parent = tree.nodes.get(parentOf(path));
  if (parent === undefined) return refuse(errors.noNode);
  if (!permits(parent.acl, permissions.delete, identities)) return refuse(errors.noAuth);
  const node = tree.nodes.get(path);
  if (node === undefined) return refuse(errors.noNode);
  if (version !== -1 && version !== node.version) return refuse(errors.badVersion);
  if (node.children.size > 0) return refuse(errors.notEmpty);
  return accept({ kind: 'delete', path });
}

function prepareSetData(
  { path, data, version }: Operation & { kind: 'setData' },
  identities: readonly Identity[],
  tree: Tree,
): Decision {
  const node = tree.nodes.get(path);
  if (node === undefined) return refuse(errors.noNode);
  if (!permits(node.acl, permissions.write, identities)) return refuse(errors.noAuth);
  if (version !== -1 && version !== node.version) return refuse(errors.badVersion);
  return accept({ kind: 'setData', path, data });
}
