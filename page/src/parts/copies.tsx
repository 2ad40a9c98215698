import { useState } from "preact/hooks";
import { type Request, asCurl } from "../api";

const SHOWN = 1500; // ms that "Copied" stays

/** The view as a shell command and as Python, to copy. */
export function Copies({ request, python }: { request: Request; python: string }) {
  return (
    <details class="copies">
      <summary>Copy this view as curl or Python</summary>
      <div class="tabs">
        <Code name="curl" text={asCurl(request)} />
        <Code name="Python" text={python} />
      </div>
    </details>
  );
}

function Code({ name, text }: { name: string; text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), SHOWN);
  };
  return (
    <div>
      <button type="button" onClick={copy}>
        {copied ? "Copied" : `Copy as ${name}`}
      </button>
      <pre tabIndex={0} role="region" aria-label={`This view as ${name}`}>
        {text}
      </pre>
    </div>
  );
}
