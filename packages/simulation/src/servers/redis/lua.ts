import { compileLua51 } from '../../engine/lua-vm.ts';
import { Pairs, Push, Refusal, type Reply, Status } from './replies.ts';

/** Runs a command for a script. */
export type Call = (args: readonly string[]) => Reply;

// biome-ignore lint/suspicious/noExplicitAny: fengari has no types.
type Any = any;

/** Scripts of Redis, run by fengari: Lua with the numbers of Lua 5.1, which are all doubles. */
export interface LuaScripts {
  run(source: string, keys: readonly string[], args: readonly string[], call: Call): Reply;
}

/** Makes the interpreter; it keeps the compiled scripts, and nothing else from one run to the next. */
export function createLuaScripts(): LuaScripts {
  const fengari = compileLua51();
  const { lua, lauxlib, lualib } = fengari;
  const L = lauxlib.luaL_newstate();
  lualib.luaL_openlibs(L);
  // As Lua 5.1 has it.
  lauxlib.luaL_dostring(L, bytes('unpack = table.unpack'));
  const functions = new Map<string, number>();
  let call: Call = () => null;

  // Texts are of one character per byte.
  const textAt = (index: number): string => lua.lua_tojsstring(L, index);
  const pushText = (text: string): void => void lua.lua_pushliteral(L, text);

  function pushReply(reply: Reply): void {
    if (reply === null) lua.lua_pushboolean(L, false);
    else if (typeof reply === 'number') lua.lua_pushnumber(L, reply);
    else if (typeof reply === 'string') pushText(reply);
    else if (reply instanceof Status) pushField('ok', reply.text);
    else if (reply instanceof Refusal) pushField('err', reply.message);
    else {
      const items = reply instanceof Push || reply instanceof Pairs ? reply.items : reply;
      lua.lua_createtable(L, items.length, 0);
      for (const [i, item] of items.entries()) {
        pushReply(item);
        lua.lua_rawseti(L, -2, i + 1);
      }
    }
  }

  function pushField(name: string, text: string): void {
    lua.lua_createtable(L, 0, 1);
    pushText(text);
    lua.lua_setfield(L, -2, bytes(name));
  }

  function readReply(index: number): Reply {
    const type = lua.lua_type(L, index);
    if (type === lua.LUA_TSTRING) return textAt(index);
    if (type === lua.LUA_TNUMBER) return Math.trunc(lua.lua_tonumber(L, index));
    if (type === lua.LUA_TBOOLEAN) return lua.lua_toboolean(L, index) ? 1 : null;
    if (type !== lua.LUA_TTABLE) return null;
    const at = lua.lua_absindex(L, index);
    for (const [name, make] of fields) {
      lua.lua_getfield(L, at, name);
      const text = lua.lua_type(L, -1) === lua.LUA_TSTRING ? textAt(-1) : undefined;
      lua.lua_pop(L, 1);
      if (text !== undefined) return make(text);
    }
    const items: Reply[] = [];
    for (let i = 1; ; i++) {
      const kind = lua.lua_rawgeti(L, at, i);
      if (kind === lua.LUA_TNIL) break;
      items.push(readReply(-1));
      lua.lua_pop(L, 1);
    }
    lua.lua_pop(L, 1);
    return items;
  }

  const invoke = (throws: boolean) => (): number => {
    const args: string[] = [];
    for (let i = 1, count = lua.lua_gettop(L); i <= count; i++) args.push(textAt(i));
    const reply = call(args);
    if (reply instanceof Refusal && throws) {
      pushField('err', reply.message);
      return lua.lua_error(L);
    }
    pushReply(reply);
    return 1;
  };

  function decodeJson(): number {
    const push = (value: Any): void => {
      if (typeof value === 'string') pushText(Buffer.from(value, 'utf8').toString('latin1'));
      else if (typeof value === 'number') lua.lua_pushnumber(L, value);
      else if (Array.isArray(value)) {
        lua.lua_createtable(L, value.length, 0);
        for (const [i, item] of value.entries()) {
          push(item);
          lua.lua_rawseti(L, -2, i + 1);
        }
      } else lua.lua_pushboolean(L, Boolean(value));
    };
    push(JSON.parse(Buffer.from(textAt(1), 'latin1').toString('utf8')));
    return 1;
  }

  function setGlobalFunctions(name: string, members: Record<string, () => number>): void {
    lua.lua_createtable(L, 0, 2);
    for (const [member, run] of Object.entries(members)) {
      lua.lua_pushcfunction(L, run);
      lua.lua_setfield(L, -2, bytes(member));
    }
    lua.lua_setglobal(L, bytes(name));
  }

  function setGlobalList(name: Uint8Array, items: readonly string[]): void {
    lua.lua_createtable(L, items.length, 0);
    for (const [i, item] of items.entries()) {
      pushText(item);
      lua.lua_rawseti(L, -2, i + 1);
    }
    lua.lua_setglobal(L, name);
  }

  function compiled(source: string): number | Refusal {
    const known = functions.get(source);
    if (known !== undefined) return known;
    const code = bytes(source);
    if (lauxlib.luaL_loadbuffer(L, code, code.length, bytes('@user_script')) !== lua.LUA_OK) {
      const message = textAt(-1);
      lua.lua_settop(L, 0);
      return new Refusal(`ERR Error compiling script (new function): ${message}`);
    }
    const reference: number = lauxlib.luaL_ref(L, lua.LUA_REGISTRYINDEX);
    functions.set(source, reference);
    return reference;
  }

  const reply = (name: string) => (): number => {
    pushField(name, textAt(1));
    return 1;
  };
  setGlobalFunctions('redis', {
    call: invoke(true),
    pcall: invoke(false),
    error_reply: reply('err'),
    status_reply: reply('ok'),
  });
  setGlobalFunctions('cjson', { decode: decodeJson });

  return {
    run(source, keys, args, run) {
      const reference = compiled(source);
      if (reference instanceof Refusal) return reference;
      call = run;
      setGlobalList(keysName, keys);
      setGlobalList(argvName, args);
      lua.lua_rawgeti(L, lua.LUA_REGISTRYINDEX, reference);
      const status = lua.lua_pcall(L, 0, 1, 0);
      const reply =
        status === lua.LUA_OK || lua.lua_type(L, -1) === lua.LUA_TTABLE
          ? readReply(-1)
          : new Refusal(`ERR ${textAt(-1)}`);
      lua.lua_settop(L, 0);
      return reply;
    },
  };
}

function bytes(text: string): Uint8Array {
  const made = new Uint8Array(text.length);
  for (let i = 0; i < made.length; i++) made[i] = text.charCodeAt(i);
  return made;
}

const keysName = bytes('KEYS');
const argvName = bytes('ARGV');

const fields: readonly (readonly [Uint8Array, (text: string) => Reply])[] = [
  [bytes('err'), (text) => new Refusal(text)],
  [bytes('ok'), (text) => new Status(text)],
];
