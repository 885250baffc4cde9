/** Commands as they are printed to be pasted: quoted where they must be, and reaching the cluster that was diagnosed. */

import { input } from "../errors/input.ts";

/** How the diagnosed cluster was reached, as far as commands must repeat it. */
export interface CommandAccess {
  /** A path, where it was given by flag; undefined where kubectl finds the same by itself. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** `kubectl`, with the words given; a word is quoted where a shell would read it otherwise. */
export function kubectl(access: CommandAccess, ...words: string[]): string {
  return commandLine("kubectl", ...accessFlags(access, "--kubeconfig", "--context"), ...words);
}

export function kubemend(access: CommandAccess, ...words: string[]): string {
  return commandLine("kubemend", ...words, ...accessFlags(access, input("kubeconfig"), input("context")));
}

/** A command of another machine than this one. */
export function onHost(host: string, ...words: string[]): string {
  return commandLine("ssh", host, ...words);
}

export function commandLine(...words: string[]): string {
  return words.map(shellWord).join(" ");
}

export function shellWord(word: string): string {
  return /^[\w@%+=:,./\ufdd0\ufdd1-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Of kubectl's flags, or of our inputs. */
function accessFlags({ kubeconfig, context }: CommandAccess, kubeconfigFlag: string, contextFlag: string): string[] {
  return [
    ...(kubeconfig === undefined ? [] : [`${kubeconfigFlag}=${kubeconfig}`]),
    ...(context === undefined ? [] : [`${contextFlag}=${context}`]),
  ];
}
