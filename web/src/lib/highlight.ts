/** Colours for JavaScript, by its tokens alone: enough for reading, and never wrong about the text itself. */

export type Kind = "" | "comment" | "string" | "number" | "keyword";

const token =
  /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<string>"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`(?:\\[\s\S]|[^`\\])*`?)|(?<number>\b(?:0[xXoObB][\da-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)n?\b)|(?<keyword>\b(?:async|await|break|case|catch|class|const|continue|default|delete|do|else|export|extends|false|finally|for|from|function|if|import|in|instanceof|let|new|null|of|return|static|super|switch|this|throw|true|try|typeof|undefined|var|void|while|yield)\b)/g;

/** The parts in order; put together they are `text` again. */
export function highlight(text: string): [Kind, string][] {
  const parts: [Kind, string][] = [];
  let at = 0;
  for (const match of text.matchAll(token)) {
    if (match.index > at) parts.push(["", text.slice(at, match.index)]);
    const kind = Object.entries(match.groups ?? {}).find(([, part]) => part !== undefined)?.[0] ?? "";
    parts.push([kind as Kind, match[0]]);
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push(["", text.slice(at)]);
  return parts;
}
