import acquireSource from './lua/acquire.lua';
import forceReleaseSource from './lua/force-release.lua';
import inspectSource from './lua/inspect.lua';
import releaseSource from './lua/release.lua';
import renewSource from './lua/renew.lua';
import { type LuaScript, luaScript } from './script.ts';

/** The scripts of the lock protocol; each file says what its keys, arguments and replies are. */
export const scripts: Record<'acquire' | 'renew' | 'release' | 'forceRelease' | 'inspect', LuaScript> = {
  acquire: /* @__PURE__ */ luaScript(acquireSource),
  renew: /* @__PURE__ */ luaScript(renewSource),
  release: /* @__PURE__ */ luaScript(releaseSource),
  forceRelease: /* @__PURE__ */ luaScript(forceReleaseSource),
  inspect: /* @__PURE__ */ luaScript(inspectSource),
};
