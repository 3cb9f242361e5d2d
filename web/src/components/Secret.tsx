import { Copy } from "./Copy";

/** What is shown once: a new token, a one-time password. */
export function Secret({ title, text, onDone }: { title: string; text: string; onDone: () => void }) {
  return (
    <div className="secret" role="status">
      <p>
        <b>{title}</b> It is shown only now.
      </p>
      <div className="command">
        <code>{text}</code>
        <Copy text={text} label="Copy it" />
      </div>
      <button type="button" onClick={onDone}>
        Done
      </button>
    </div>
  );
}
