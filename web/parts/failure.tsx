/** Why there is nothing to see. */
export function Failure({ text }: { readonly text: string }) {
  return (
    <p class="note error" role="alert">
      {text}
    </p>
  );
}

export function Loading() {
  return (
    <p class="dim" role="status">
      Reading…
    </p>
  );
}
