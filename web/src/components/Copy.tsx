import { useEffect, useState } from "react";
import { Icon } from "./icons";

/** Copies a text; without the clipboard (plain http from another machine) it isn't offered. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  if (!navigator.clipboard) return null;
  return (
    <button type="button" className="quiet" aria-label={label} title={label} onClick={() => void navigator.clipboard.writeText(text).then(() => setDone(true))}>
      <Icon name={done ? "check" : "copy"} />
      <span>{done ? "Copied" : "Copy"}</span>
    </button>
  );
}
