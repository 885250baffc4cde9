/**
 * What packages run when they are installed, upgraded and removed: an upgrade restarts the agents that run, a removal
 * stops them. Nothing is enabled or started, and configuration, state and audit logs stay.
 * Sources: deb-postinst(5), deb-prerm(5), deb-postrm(5); "Scriptlets" in RPM's manual.
 */

/** By the file's name in a control archive. */
export function debScripts(services: readonly string[]): Readonly<Record<"postinst" | "prerm" | "postrm", string>> {
  return {
    postinst: script(`if [ "$1" = configure ]; then
  ${reload()}
  ${ifRuns(`if [ -n "$2" ]; then systemctl try-restart ${services.join(" ")} || true; fi`)}
fi`),
    prerm: script(`if [ "$1" = remove ]; then
  ${disable(services)}
fi`),
    postrm: script(`if [ "$1" = remove ]; then
  ${reload()}
fi`),
  };
}

/** The sections of a spec file: `$1` is how many versions of the package there are afterwards. */
export function rpmScripts(services: readonly string[]): string {
  return `%post
${reload()}
if [ "$1" -gt 1 ]; then
  ${ifRuns(`systemctl try-restart ${services.join(" ")} || :`)}
fi
exit 0

%preun
if [ "$1" -eq 0 ]; then
  ${disable(services)}
fi
exit 0

%postun
${reload()}
exit 0
`;
}

function script(body: string): string {
  return `#!/bin/sh\nset -e\n${body}\nexit 0\n`;
}

/** Where systemd runs: not in an image that is being built. */
function ifRuns(command: string): string {
  return `if [ -d /run/systemd/system ]; then ${command}; fi`;
}

function reload(): string {
  return ifRuns("systemctl daemon-reload || true");
}

/** Links of enabled units go even where systemd does not run. */
function disable(services: readonly string[]): string {
  const names = services.join(" ");
  return `${ifRuns(`systemctl stop ${names} || true`)}
  if command -v systemctl > /dev/null; then systemctl disable ${names} > /dev/null 2>&1 || true; fi`;
}
