import { useId } from "preact/hooks";

interface Props {
  label: string;
  value: number;
  least: number;
  most: number;
  step: number;
  shown?: string;
  onChange: (value: number) => void;
}

/** A labelled slider that says its value. */
export function Slider({ label, value, least, most, step, shown, onChange }: Props) {
  const id = useId();
  return (
    <div class="slider">
      <label for={id}>
        {label} <output>{shown ?? value}</output>
      </label>
      <input
        id={id}
        type="range"
        min={least}
        max={most}
        step={step}
        value={value}
        aria-valuetext={shown ?? String(value)}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
    </div>
  );
}
