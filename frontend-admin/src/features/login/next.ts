/** Where to go after the log-in: only to a page of ours, whatever the address says. */
export function localPath(next: string | null): string {
  if (!next?.startsWith('/') || next.startsWith('//') || next.includes('\\')) return '/'
  return next.startsWith('/login') ? '/' : next
}
