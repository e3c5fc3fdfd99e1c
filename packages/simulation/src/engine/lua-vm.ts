import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { compileFunction } from 'node:vm';

const require = createRequire(import.meta.url);

/** Where the numbers of Lua 5.3, as fengari has them, differ from those of Lua 5.1, as Redis has them. */
const differences: readonly (readonly [file: string, find: string, replace: string])[] = [
  ['lobject.js', 'o.setivalue(s2i.n);\n        return s2i.i+1;', 'o.setfltvalue(Number(s2i.n)); return s2i.i+1;'],
  ['lobject.js', '/^[-0123456789]+$/.test(str)', 'false'],
  [
    'luaconf.js',
    'return String(Number(n.toPrecision(14)));',
    `const text = Math.abs(n) >= 1e14 || (n !== 0 && Math.abs(n) < 1e-4)
        ? n.toExponential(13).replace(/\\.?0*e/, 'e').replace(/e([+-])(\\d)$/, 'e$10$2') : String(Number(n.toPrecision(14)));
     return text === 'Infinity' ? 'inf' : text === '-Infinity' ? '-inf' : text === 'NaN' ? 'nan' : text;`,
  ],
  [
    'lstrlib.js',
    'let n = luaL_checkinteger(L, arg);\n                    addlenmod',
    'let n = Math.trunc(luaL_checknumber(L, arg));\n                    addlenmod',
  ],
];

/**
 * What makes it slow: an array from which elements are deleted is a dictionary to V8, and so the stack is one; each key of a table that
 * is not a constant is made into text, byte by byte; and texts from outside are encoded and copied. Here they are of one character per
 * byte, and what such a text is as a key is kept with it.
 */
const fasterStack = /\bdelete (\w+\.stack\[[^;\n]*\]);/g;
const slowPlaces: readonly (readonly [file: string, find: string, replace: string])[] = [
  ['lstring.js', 's += str[i].toString(16);', 's += String.fromCharCode(str[i]);'],
  ['lstring.js', 'return luaS_bless(L, luastring_from(str));', 'return luaS_bless(L, str.slice());'],
  [
    'lstring.js',
    'return luaS_bless(L, to_luastring(str));',
    `const made = new Uint8Array(str.length);
    for (let i = 0; i < made.length; i++) made[i] = str.charCodeAt(i);
    const ts = luaS_bless(L, made);
    ts.hash = '|' + str;
    return ts;`,
  ],
  ['lapi.js', 'luaS_newliteral\n} = require', 'luaS_hashlongstr, luaS_newliteral\n} = require'],
  ['lapi.js', 'return o.jsstring();', 'return luaS_hashlongstr(o.tsvalue()).slice(1);'],
  [
    'lstrlib.js',
    `let n = luaL_checknumber(L, arg);
                    addlenmod(form, to_luastring(LUA_INTEGER_FRMLEN, true));
                    luaL_addstring(b, to_luastring(sprintf(String.fromCharCode(...form), n)));`,
    `let n = luaL_checknumber(L, arg);
                    // "%.0f", as nearly always.
                    const isWhole = form.length === 4 && form[1] === 46 && form[2] === 48 && form[3] === 102 && Number.isSafeInteger(n);
                    luaL_addstring(b, to_luastring(isWhole ? String(n) : sprintf(String.fromCharCode(...form), n)));`,
  ],
];

// biome-ignore lint/suspicious/noExplicitAny: fengari has no types.
let compiled: any;

/** Loads fengari with the numbers of Lua 5.1. @throws Error when its source is not what the changes are for. */
// biome-ignore lint/suspicious/noExplicitAny: fengari has no types.
export function compileLua51(): any {
  if (compiled !== undefined) return compiled;
  const folder = require.resolve('fengari').replace(/fengari\.js$/, '');
  const changed = new Map<string, string>();
  for (const [file, find, replace] of [...differences, ...slowPlaces]) {
    const source = changed.get(file) ?? readFileSync(folder + file, 'utf8');
    if (source.split(find).length !== 2)
      throw new Error(`fengari's ${file} has changed: it no longer has once:\n${find}`);
    changed.set(
      file,
      source.replace(find, () => replace),
    );
  }
  const modules = new Map<string, { exports: unknown }>();
  const load = (name: string): unknown => {
    const file = name.replace(/^\.\//, '');
    if (!name.startsWith('./')) return require(require.resolve(name, { paths: [folder] }));
    const known = modules.get(file);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    modules.set(file, module);
    const source = (changed.get(file) ?? readFileSync(folder + file, 'utf8')).replaceAll(fasterStack, '$1 = void 0;');
    compileFunction(source, ['require', 'module', 'exports'], { filename: `fengari/${file}` })(
      load,
      module,
      module.exports,
    );
    return module.exports;
  };
  compiled = load('./fengari.js');
  return compiled;
}
