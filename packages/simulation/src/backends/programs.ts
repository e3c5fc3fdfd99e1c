import { compileLibrary, compileShipped, type Program, type SourcePatch } from '../engine/bundle.ts';
import { createEnvironment, type Environment } from '../engine/environment.ts';
import type { Machine } from '../engine/machine.ts';
import type { BackendName } from '../schedule/types.ts';
import type { BackendModel, Programs } from './backend.ts';
import { models } from './models.ts';

const libraries = new Map<string, Promise<Program>>();

/** Compiles what a backend runs: the shipped code, with patches if there are any, and the client libraries. */
export async function loadPrograms(backend: BackendName, patches: readonly SourcePatch[] = []): Promise<Programs> {
  const model = models[backend];
  const shipped = await compileShipped(model.entry, patches);
  const compiled = new Map<string, Program>();
  for (const name of model.libraries) {
    const known = libraries.get(name) ?? compileLibrary(name);
    libraries.set(name, known);
    compiled.set(name, await known);
  }
  const library = createLibraries(compiled, model);
  const start: Program = (environment) => {
    for (const name of model.imports ?? []) environment.modules.set(name, library(name, environment));
    return shipped(environment);
  };
  return { shipped: start, library };
}

/**
 * Client libraries take long to start and keep nothing from one client to the next, so each process of a simulation gets
 * one that another simulation has used before, in its own environment.
 */
function createLibraries(compiled: ReadonlyMap<string, Program>, model: BackendModel): Programs['library'] {
  const pools = new Map<string, { environment: Environment; module: unknown; usedBy: Machine }[]>();
  return (name, { machine, net }) => {
    const pool = pools.get(name) ?? [];
    pools.set(name, pool);
    const free = pool.find(({ usedBy }) => usedBy.state === 'crashed');
    if (free !== undefined) {
      free.usedBy = machine;
      free.environment.machine = machine;
      free.environment.net = net;
      return free.module;
    }
    // Some draw random numbers while they are loaded, which happens to the first process only.
    const loading: Machine = Object.create(machine, { random: { value: machine.random.fork(name) } });
    const environment = createEnvironment(loading, net, true);
    for (const [replaced, by] of Object.entries(model.replacements?.(environment) ?? {}))
      environment.modules.set(replaced, by);
    const module = compiled.get(name)!(environment);
    environment.machine = machine;
    pool.push({ environment, module, usedBy: machine });
    return module;
  };
}
