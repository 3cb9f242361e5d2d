// Removes the types from a TypeScript module: what the program runs when a script ends in .ts
// (src/js/typescript.c). Sucrase does it, which keeps every line where it is; namespaces, which it
// leaves out, are made functions before, on the same lines.
import { transform } from "sucrase";
import { parse } from "sucrase/dist/esm/parser/index.js";
import { ContextualKeyword as Word } from "sucrase/dist/esm/parser/tokenizer/keywords.js";
import { isDeclaration } from "sucrase/dist/esm/parser/tokenizer/index.js";
import { TokenType as tt } from "sucrase/dist/esm/parser/tokenizer/types.js";

const opens = new Set([tt.braceL, tt.braceBarL, tt.dollarBraceL, tt.parenL, tt.bracketL]);
const closes = new Set([tt.braceR, tt.braceBarR, tt.parenR, tt.bracketR]);
const declares = new Set([tt._const, tt._let, tt._var, tt._function, tt._class, tt._enum]);
const typesOnly = new Set([Word._interface, Word._type, Word._declare]);

/** Index of the token that closes what tokens[at] opens. */
function closing(tokens, at) {
  for (let i = at, depth = 0; i < tokens.length; i++) {
    if (opens.has(tokens[i].type)) depth++;
    else if (closes.has(tokens[i].type) && --depth === 0) return i;
  }
  return tokens.length - 1;
}

/** tokens[at] begins "namespace a.b {": its names and where its braces are; otherwise null. */
function namespaceAt(source, tokens, at) {
  const { type, contextualKeyword: word } = tokens[at];
  if (type !== tt.name || (word !== Word._namespace && word !== Word._module)) return null;
  const names = [];
  let i = at + 1;
  while (tokens[i]?.type === tt.name) {
    names.push(source.slice(tokens[i].start, tokens[i].end));
    if (tokens[i + 1]?.type !== tt.dot) break;
    i += 2;
  }
  if (names.length === 0 || tokens[i + 1]?.type !== tt.braceL) return null;
  return { names, open: i + 1, close: closing(tokens, i + 1) };
}

/** Text to put in place of what is between two positions. */
class Edits {
  list = [];

  put(start, end, text) {
    this.list.push({ start, end, text });
  }

  apply(source) {
    let out = "";
    let at = 0;
    for (const { start, end, text } of this.list.sort((a, b) => a.start - b.start || a.end - b.end)) {
      out += source.slice(at, start) + text;
      at = end;
    }
    return out + source.slice(at);
  }
}

/** Names that "export const { a, b: [c] } = x, d = 1" and the like declare; tokens[at] is behind "export". */
function exported(source, tokens, at, close) {
  if (!declares.has(tokens[at].type)) at++; // async, abstract, const of an enum
  const variables = [tt._const, tt._let, tt._var].includes(tokens[at].type) && tokens[at + 1].type !== tt._enum;
  if (!variables) {
    while (tokens[at].type !== tt.name || tokens[at].contextualKeyword === Word._enum) at++;
    return [source.slice(tokens[at].start, tokens[at].end)];
  }
  const names = [];
  for (let i = at + 1, depth = 0, scope = null; i < close; i++) {
    const token = tokens[i];
    if (depth === 0 && (token.type === tt.semi || token.type === tt._export || declares.has(token.type))) break;
    if (opens.has(token.type)) depth++;
    else if (closes.has(token.type)) depth--;
    if (!isDeclaration(token) || token.scopeDepth !== (scope ??= token.scopeDepth)) continue;
    names.push(source.slice(token.start, token.end));
  }
  return names;
}

/** Rewrites the inside of a namespace: 'export' goes, its names become live properties. */
function rewriteBody(source, tokens, { open, close }, edits) {
  const names = [];
  let any = false;
  for (let i = open + 1; i < close; i++) {
    const inner = namespaceAt(source, tokens, i);
    const isExport = tokens[i].type === tt._export;
    const next = isExport ? i + 1 : i;
    const first = tokens[next];
    if (inner || (isExport && namespaceAt(source, tokens, next))) {
      const found = inner ?? namespaceAt(source, tokens, next);
      if (tokens[i - 1].contextualKeyword !== Word._declare && rewrite(source, tokens, next, found, edits, "let")) {
        any = true;
        if (isExport) {
          edits.put(tokens[i].start, first.start, "");
          names.push(found.names[0]);
        }
      }
      i = found.close;
    } else if (typesOnly.has(first.contextualKeyword) && tokens[next + 1]?.type !== tt.eq) {
      if (first.contextualKeyword === Word._declare) i = next + 1;
    } else if (isExport) {
      any = true;
      if (first.type === tt.braceL || first.type === tt.star || first.type === tt._import)
        throw new Error("this form of export isn't possible in a namespace");
      names.push(...exported(source, tokens, next, close));
      edits.put(tokens[i].start, first.start, "");
    } else if (declares.has(first.type) || first.type === tt.parenL) {
      any = true;
    }
    if (opens.has(tokens[i].type)) i = closing(tokens, i);
  }
  return any ? names : null;
}

/** Makes tokens[at], a namespace, a function; false when it holds types only and goes away. */
function rewrite(source, tokens, at, found, edits, keyword) {
  const inside = new Edits();
  const exports = rewriteBody(source, tokens, found, inside);
  if (!exports) return false;
  edits.list.push(...inside.list);
  const { names, open, close } = found;
  const merges = tokens.some(
    (t, i) => (t.type === tt._class || t.type === tt._function) && tokens[i + 1].type === tt.name &&
      source.slice(tokens[i + 1].start, tokens[i + 1].end) === names[0],
  );
  let head = merges ? ";" : `${keyword} ${names[0]};`;
  let tail = "";
  names.forEach((name, i) => {
    const from = i === 0 ? name : `${names[i - 1]}.${name}`;
    head += `(function (${name}) {`;
    tail = `})(${from} || (${from} = {}));` + tail;
  });
  const last = names.at(-1);
  for (const name of exports)
    head += `Object.defineProperty(${last}, "${name}", { enumerable: true, configurable: true, get: () => ${name}, set(value$) { ${name} = value$; } });`;
  const lines = "\n".repeat(source.slice(tokens[at].start, tokens[open].end).split("\n").length - 1);
  edits.put(tokens[at].start, tokens[open].end, head + lines);
  edits.put(tokens[close].start, tokens[close].end, tail);
  return true;
}

function withoutNamespaces(source) {
  if (!/\b(namespace|module)\s+[\p{ID_Start}$_]/u.test(source)) return source;
  const { tokens } = parse(source, false, true, false);
  const edits = new Edits();
  const seen = new Set();
  for (let i = 0; i < tokens.length; i++) {
    const found = namespaceAt(source, tokens, i);
    if (!found) continue;
    const before = tokens[i - 1];
    if (before?.contextualKeyword !== Word._declare && rewrite(source, tokens, i, found, edits, "var")) {
      if (before?.type === tt._export && seen.has(found.names[0])) edits.put(before.start, tokens[i].start, "");
      seen.add(found.names[0]);
    }
    i = found.close;
  }
  return edits.apply(source);
}

/** [code, source map as JSON]; throws an Error with `line` and `column` when the source is none. */
globalThis.stripTypes = (source, name) => {
  try {
    const { code, sourceMap } = transform(withoutNamespaces(source), {
      transforms: ["typescript"],
      disableESTransforms: true,
      filePath: name,
      sourceMapOptions: { compiledFilename: name },
    });
    return [code, JSON.stringify({ version: 3, sources: [name], names: [], mappings: sourceMap.mappings })];
  } catch (e) {
    const message = e.message.replace(`Error transforming ${name}: `, "");
    const [, text, line, column] = /^([^]*?)(?: \((\d+):(\d+)\))?$/.exec(message);
    throw Object.assign(new Error(text), { line: Number(line ?? 1), column: Number(column ?? 1) });
  }
};
