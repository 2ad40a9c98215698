import { useId } from "preact/hooks";

/** One of a few, as a row of radio buttons. */
export function Choice<T extends string>(props: { label: string; options: [T, string][]; value: T; onChoose: (value: T) => void }) {
  const { label, options, value, onChoose } = props;
  const name = useId();
  return (
    <fieldset class="choice">
      <legend>{label}</legend>
      {options.map(([key, text]) => (
        <label key={key}>
          <input type="radio" name={name} checked={key === value} onChange={() => onChoose(key)} />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}
