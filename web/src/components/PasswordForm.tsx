import { useState, type FormEvent } from "react";
import { changePassword } from "../api/accounts";

/** The old password, and the new one twice. */
export function PasswordForm({ label, onChanged }: { label: string; onChanged: () => void }) {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (fresh !== again) return setError("The new password isn't the same both times.");
    setBusy(true);
    setError(null);
    try {
      await changePassword(old, fresh);
      setOld("");
      setFresh("");
      setAgain("");
      onChanged();
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      setError(text.replace(/^old_password: is not/, "That isn't").replace(/^(old|new)_password: /, ""));
    }
    setBusy(false);
  };

  const fields = [
    { id: "old-password", label: "Present password", complete: "current-password", value: old, set: setOld },
    { id: "new-password", label: "New password", complete: "new-password", value: fresh, set: setFresh },
    { id: "again-password", label: "The same again", complete: "new-password", value: again, set: setAgain },
  ];
  return (
    <form className="stacked" onSubmit={(e) => void submit(e)}>
      {fields.map((f) => (
        <div key={f.id}>
          <label htmlFor={f.id}>{f.label}</label>
          <input id={f.id} type="password" autoComplete={f.complete} value={f.value} onChange={(e) => f.set(e.target.value)} required />
        </div>
      ))}
      <p className="form-error" role="alert">
        {error}
      </p>
      <button type="submit" className="primary" disabled={busy}>
        {label}
      </button>
    </form>
  );
}
