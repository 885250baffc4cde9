/** As whom requests are made besides the one who makes them. */

/** `as`, `as-uid`, `as-groups` and `as-user-extra` of a kubeconfig's user. */
export interface Impersonation {
  readonly user: string;
  readonly uid: string | undefined;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** Whether a header can carry it. */
export function isHeaderText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a header may not have
  return !/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text);
}
