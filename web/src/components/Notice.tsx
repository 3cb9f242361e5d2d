import type { ReactNode } from "react";
import type { Tone } from "../lib/status";
import { Icon } from "./icons";

export function Notice({ tone, children, action, onAction }: { tone: Tone; children: ReactNode; action?: string; onAction?: () => void }) {
  return (
    <div className={`notice tone-${tone}`} role={tone === "bad" ? "alert" : "status"}>
      <Icon name="warn" />
      <div>{children}</div>
      {action && (
        <button type="button" onClick={onAction}>
          {action}
        </button>
      )}
    </div>
  );
}
