import { useEffect, useId, useRef, useState } from "preact/hooks";
import { search } from "../taste";
import type { Item } from "../types";

const PAUSE = 120; // ms without a key before asking

/** Find an item by its title: type, pick by arrow keys and Enter or by a click. */
export function Search({ label, onPick }: { label: string; onPick: (item: Item) => void }) {
  const [text, setText] = useState("");
  const [found, setFound] = useState<Item[] | null>(null);
  const [place, setPlace] = useState(0);
  const [problem, setProblem] = useState("");
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const asked = text.trim();
    if (!asked) {
      setFound(null);
      return undefined;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      search(asked, stop.signal).then(
        (items) => {
          setFound(items);
          setPlace(0);
          setProblem("");
        },
        (error: Error) => stop.signal.aborted || setProblem(error.message),
      );
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text]);
  const pick = (item: Item | undefined) => {
    if (!item) return;
    setText("");
    setFound(null);
    onPick(item);
  };
  const keyed = (event: KeyboardEvent) => {
    if (event.key === "Escape") setText("");
    if (!found?.length) return;
    if (event.key === "ArrowDown") setPlace((place + 1) % found.length);
    else if (event.key === "ArrowUp") setPlace((place + found.length - 1) % found.length);
    else if (event.key === "Enter") pick(found[place]);
    else return;
    event.preventDefault();
  };
  const open = found !== null;
  return (
    <div class="search">
      <label for={`${id}field`}>{label}</label>
      <input
        ref={field}
        id={`${id}field`}
        type="search"
        {...({ role: "combobox" } as object)}
        autocomplete="off"
        aria-expanded={open}
        aria-controls={`${id}list`}
        aria-autocomplete="list"
        aria-activedescendant={found?.length ? `${id}${place}` : undefined}
        value={text}
        placeholder="matrix, godfather 1972…"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={keyed}
        onBlur={() => setFound(null)}
      />
      <ul id={`${id}list`} role="listbox" aria-label="Films found" hidden={!open || !found?.length}>
        {found?.map((item, k) => (
          <li
            key={item.item_id}
            id={`${id}${k}`}
            role="option"
            aria-selected={k === place}
            onPointerDown={(event) => event.preventDefault()}
            onClick={() => pick(item)}
          >
            {item.title} <span class="soft">{item.n_ratings} ratings</span>
          </li>
        ))}
      </ul>
      <p class="hint" role="status">
        {problem || (open && !found?.length ? "No film is called that." : "")}
      </p>
    </div>
  );
}
