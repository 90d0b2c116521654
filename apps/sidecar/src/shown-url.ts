/** A URL as logs and people may see it: without user, password and what its query says. */
export function shownUrl(text: string): string {
  if (!URL.canParse(text)) return '***'
  const { protocol, username, password, host, pathname, search } = new URL(text)
  const login = username === '' && password === '' ? '' : '***@'
  return `${protocol}//${login}${host}${pathname === '/' ? '' : pathname}${search === '' ? '' : '?***'}`
}

/** Whether a text has a URL with a password in it, or a query, which may hold one. */
export function holdsPassword(text: string): boolean {
  return /[a-z]:\/\/\S*[@?]/i.test(text)
}
