/** `%41` to `A`, in UTF-8. A text that is not well-formed, as only a broken or hostile peer or a slip makes it, stays as it is. */
export function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
