/** YAML with numbered lines and names in colour. All of it is text: nothing in a snapshot becomes markup. */

/** Lines that are drawn; the rest of a text that long is named. */
const MOST_LINES = 5000;
/** Characters of one line that are drawn. */
const LONGEST_LINE = 4000;

export function Yaml({ text, label }: { readonly text: string; readonly label: string }) {
  const lines = text.replace(/\n$/, "").split("\n");
  return (
    <section class="code" tabIndex={0} aria-label={label}>
      <pre>
        {lines.slice(0, MOST_LINES).map((line, i) => (
          <span class="line" data-line={i + 1}>
            <Line text={line} />
            {"\n"}
          </span>
        ))}
      </pre>
      {lines.length > MOST_LINES && (
        <p class="dim">{lines.length - MOST_LINES} more lines: see them with kubectl get -o yaml</p>
      )}
    </section>
  );
}

function Line({ text }: { readonly text: string }) {
  const shown = text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}… (${text.length} characters)` : text;
  if (/^\s*#/.test(shown)) return <span class="comment">{shown}</span>;
  const match = /^(\s*(?:- )*)("[^"]*"|'[^']*'|[^\s"'#:][^:]*?)(:)(\s.*|)$/s.exec(shown);
  if (match === null) return <>{shown}</>;
  const [, indent, key, colon, rest] = match;
  return (
    <>
      {indent}
      <span class="key">{key}</span>
      {colon}
      {rest}
    </>
  );
}
