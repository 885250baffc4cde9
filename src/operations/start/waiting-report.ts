/** Reports what a start waits for: each thing as it comes up, and all of it again now and then. */

/** What is still waited for is reported again after this. */
export const REPEAT_MS = 15_000;

export function waitingReport(now: () => number, report: (text: string) => void): (waiting: readonly string[]) => void {
  let reported: readonly string[] = [];
  let at = 0;
  return (waiting) => {
    const isDue = now() - at >= REPEAT_MS;
    const news = isDue ? waiting : waiting.filter((each) => !reported.includes(each));
    reported = waiting;
    if (news.length === 0) return;
    if (isDue) at = now();
    for (const each of news) report(`waiting for ${each}`);
  };
}
