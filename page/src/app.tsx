import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { Lazy } from "./parts/lazy";
import { theme } from "./state";
import { Taste } from "./screens/taste";

interface Screen {
  id: string;
  name: string;
  title: string;
  load: () => Promise<ComponentType>;
}

const SCREENS: Screen[] = [
  { id: "taste", name: "Taste", title: "Rate a few films and watch the list think", load: async () => Taste },
  { id: "why", name: "Why", title: "Why this film?", load: async () => (await import("./screens/why")).Why },
  { id: "units", name: "Units", title: "What the hidden units stand for", load: async () => (await import("./screens/units")).Units },
  { id: "energy", name: "Energy", title: "Likely is low: the energy landscape", load: async () => (await import("./screens/energy")).Energy },
  { id: "gibbs", name: "Gibbs", title: "Thinking by tossing coins", load: async () => (await import("./screens/gibbs")).Gibbs },
  { id: "learning", name: "Learning", title: "Learning: pull down what is, push up what is dreamt", load: async () => (await import("./screens/learning")).Learning },
  { id: "machine", name: "Machine", title: "Why the machine is restricted", load: async () => (await import("./screens/machine")).Machine },
  { id: "model", name: "Model", title: "How good is it, and how would you know?", load: async () => (await import("./screens/model")).Model },
];

const current = signal("");

export function App() {
  useEffect(watchScreens, []);
  useEffect(keepInPlace, []);
  return (
    <>
      <a class="skip" href="#taste">
        Skip to the first screen
      </a>
      <header class="bar">
        <a class="brand" href="#top">
          <Mark />
          <span>harmonium</span>
        </a>
        <nav aria-label="Screens" tabIndex={-1}>
          <ul>
            {SCREENS.map(({ id, name }) => (
              <li key={id}>
                <a href={`#${id}`} aria-current={current.value === id ? "true" : undefined}>
                  {name}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <ThemeSwitch />
      </header>
      <main id="top">
        <div class="hero">
          <h1>A machine that dreams up films, and shows you how</h1>
          <p>
            Behind this page runs a Boltzmann machine that learned from what people thought of films. Say what you like, and it tells
            you what else you may like, how sure it is, and why. Then scroll on, and look inside: its energy, its coin tosses, how it
            learns, and how far it can be trusted.
          </p>
        </div>
        {SCREENS.map(({ id, title, load }, place) => (
          <section class="screen" id={id} key={id} aria-labelledby={`${id}-title`}>
            <header>
              <p class="number">
                {place + 1} of {SCREENS.length}
              </p>
              <h2 id={`${id}-title`} tabIndex={-1}>
                {title}
              </h2>
            </header>
            <Lazy id={id} load={load} eager={place === 0} />
          </section>
        ))}
      </main>
      <footer class="foot">
        <p>
          Every number comes from this service's own <a href="/docs">API</a>. Nothing leaves your machine: ratings on this
          page are kept in its address only.
        </p>
        <p>
          The ratings: MovieLens (Harper &amp; Konstan 2015), for non-commercial use, where the bundled model is served.
        </p>
      </footer>
    </>
  );
}

function watchScreens() {
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) if (entry.isIntersecting) current.value = entry.target.id;
      const list = document.querySelector<HTMLElement>(".bar nav")!;
      const link = list.querySelector<HTMLElement>(`[href="#${current.value}"]`);
      if (link) list.scrollTo({ left: link.offsetLeft - list.offsetLeft - (list.clientWidth - link.offsetWidth) / 2 });
    },
    { rootMargin: "-40% 0px -55% 0px" },
  );
  document.querySelectorAll("section.screen").forEach((section) => seen.observe(section));
  return () => seen.disconnect();
}

const HELD = 4000; // ms

/** Screens load as they come near and push down what is below them; hold on to the one asked for until the reader moves. */
function keepInPlace() {
  let target = "";
  let timer = 0;
  const show = () => target && document.getElementById(target)?.scrollIntoView({ behavior: "instant" });
  const release = () => (target = "");
  const hold = () => {
    target = location.hash.slice(1);
    clearTimeout(timer);
    timer = setTimeout(release, HELD);
    show();
  };
  const watch = new ResizeObserver(show);
  watch.observe(document.getElementById("top")!);
  addEventListener("hashchange", hold);
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) addEventListener(kind, release, { passive: true });
  if (location.hash.length > 1) hold();
  return () => watch.disconnect();
}

/** The theme asked for, or the system's. */
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const shown = signal(systemDark.matches ? "dark" : "light");

export function followTheme(): void {
  const apply = () => {
    shown.value = theme.value || (systemDark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = shown.value;
  };
  systemDark.addEventListener("change", apply);
  theme.subscribe(apply);
}

function ThemeSwitch() {
  const other = shown.value === "dark" ? "light" : "dark";
  return (
    <button type="button" class="theme-switch" aria-label={`Use ${other} colours`} onClick={() => (theme.value = other)}>
      <svg viewBox="0 0 20 20" aria-hidden="true">
        <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.6" />
        <path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />
      </svg>
    </button>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <path
        d="M10 9 7 23M10 9l6 14M10 9l15 14M22 9 7 23M22 9l-6 14M22 9l3 14"
        fill="none"
        stroke="var(--edge)"
        stroke-width="1.2"
      />
      <g fill="var(--blue)">
        <circle cx="10" cy="9" r="3.4" />
        <circle cx="22" cy="9" r="3.4" />
      </g>
      <g fill="var(--orange)">
        <circle cx="7" cy="23" r="3.4" />
        <circle cx="16" cy="23" r="3.4" />
        <circle cx="25" cy="23" r="3.4" />
      </g>
    </svg>
  );
}
