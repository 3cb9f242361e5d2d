import { useEffect, useMemo, useState } from "react";
import { specification } from "../api/accounts";
import { Icon } from "../components/icons";
import { Notice } from "../components/Notice";
import { useLoad } from "../hooks/useLoad";
import { constraints, grouped, operations, refsOf, typeText, type Operation, type Schema, type Spec } from "../lib/openapi";

/** The specification that the server checks requests by, as a page. */
export function ApiSpec() {
  const loaded = useLoad(specification);
  const [wanted, setWanted] = useState("");
  const spec = loaded.value as Spec | null;
  const all = useMemo(() => (spec ? operations(spec) : []), [spec]);
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = all.filter((op) => words.every((w) => `${op.method} ${op.path}`.toLowerCase().includes(w)));
  useEffect(() => {
    document.title = "API · Spate";
  }, []);
  return (
    <main className="page narrow">
      <div className="page-head">
        <h1>API</h1>
        {all.length > 0 && <span className="count">{all.length} operations</span>}
        <label className="filter spec-filter">
          <Icon name="search" />
          <span className="sr">Find operations</span>
          <input type="search" placeholder="Find" value={wanted} onChange={(e) => setWanted(e.target.value)} />
        </label>
      </div>
      {loaded.error !== null && (
        <Notice tone="bad" action="Try again" onAction={() => void loaded.reload()}>
          The specification can't be loaded. {loaded.error}
        </Notice>
      )}
      <p className="dim spec-intro">
        The cloud API v6 and provisioning, by which this server checks what it is sent. As a document: <a href="/cloud/v6/openapi">/cloud/v6/openapi</a>. Requests carry <code>Authorization: Bearer TOKEN</code>; make a token on
        your account's page.
      </p>
      {spec !== null &&
        grouped(shown).map(([group, list]) => (
          <section key={group} className="panel block spec-group" aria-label={group}>
            <div className="section-head">
              <h2>{group.replaceAll("_", " ")}</h2>
            </div>
            {list.map((op) => (
              <OperationView key={op.id} op={op} spec={spec} />
            ))}
          </section>
        ))}
      {spec !== null && shown.length === 0 && <p className="dim">No operation has that in its method or path.</p>}
    </main>
  );
}

function OperationView({ op, spec }: { op: Operation; spec: Spec }) {
  const [open, setOpen] = useState(false);
  return (
    <details className="operation" data-operation={`${op.method} ${op.path}`} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>
        <span className={`method m-${op.method.toLowerCase()}`}>{op.method}</span>
        <code>{op.path}</code>
      </summary>
      {open && (
        <div className="operation-body">
          {op.parameters.length > 0 && (
            <>
              <h3>Parameters</h3>
              <table className="listing">
                <tbody>
                  {op.parameters.map((p) => (
                    <Row key={`${p.in} ${p.name}`} name={p.name} schema={p.schema ?? {}} required={p.required === true} note={p.in} />
                  ))}
                </tbody>
              </table>
            </>
          )}
          {op.bodies.map((b) => (
            <div key={b.type}>
              <h3>
                Body <code>{b.type}</code>
              </h3>
              <SchemaView schema={b.schema} spec={spec} />
            </div>
          ))}
          {op.responses.map((r) => (
            <div key={r.status}>
              <h3>
                Answer <span className={Number(r.status) < 300 ? "code" : "code warn"}>{r.status}</span> {r.bodies.map((b) => typeText(b.schema)).join(", ")}
              </h3>
              {Number(r.status) < 300 && r.bodies.map((b) => <SchemaView key={b.type} schema={b.schema} spec={spec} />)}
            </div>
          ))}
        </div>
      )}
    </details>
  );
}

function Row({ name, schema, required, note }: { name: string; schema: Schema; required: boolean; note?: string }) {
  return (
    <tr>
      <td>
        <code>{name}</code> {note && <span className="dim">{note}</span>}
      </td>
      <td className="wrap">{typeText(schema)}</td>
      <td className="wrap dim">{[...(required ? ["required"] : []), ...constraints(schema)].join("; ")}</td>
    </tr>
  );
}

/** A schema's members, and those of the schemas that it names when they are opened. */
function SchemaView({ schema, spec, depth = 0 }: { schema: Schema | null; spec: Spec; depth?: number }) {
  const name = schema?.$ref ? schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1) : null;
  const whole = name === null ? schema : (spec.components?.schemas?.[name] ?? null);
  const members = Object.entries(whole?.properties ?? {});
  const others = refsOf(whole).filter((n) => n !== name);
  if (!whole) return null;
  return (
    <>
      {members.length > 0 ? (
        <table className="listing">
          <tbody>
            {members.map(([key, s]) => (
              <Row key={key} name={key} schema={s} required={whole.required?.includes(key) === true} />
            ))}
          </tbody>
        </table>
      ) : (
        <p className="dim">
          {typeText(whole)} {constraints(whole).join("; ")}
        </p>
      )}
      {depth < 6 && others.map((n) => <Nested key={n} name={n} spec={spec} depth={depth + 1} />)}
    </>
  );
}

function Nested({ name, spec, depth }: { name: string; spec: Spec; depth: number }) {
  const [open, setOpen] = useState(false);
  return (
    <details className="nested" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>{name}</summary>
      {open && <SchemaView schema={{ $ref: `#/components/schemas/${name}` }} spec={spec} depth={depth} />}
    </details>
  );
}
