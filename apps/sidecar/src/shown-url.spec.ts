import { expect, it } from 'vitest'
import { holdsPassword, shownUrl } from './shown-url.ts'

it.each([
  ['redis://127.0.0.1:6379', 'redis://127.0.0.1:6379'],
  ['redis://sidecar:secret@127.0.0.1:6379/2', 'redis://***@127.0.0.1:6379/2'],
  ['rediss://:sec@ret@[::1]:6379', 'rediss://***@[::1]:6379'],
  ['redis://h:1?password=secret', 'redis://h:1?***'],
  ['https://user:secret@idp.example/keys?token=secret', 'https://***@idp.example/keys?***'],
  ['redis://secret:port', '***'],
])('%s is shown as %s', (url, shown) => {
  expect(shownUrl(url)).toBe(shown)
})

it.each([
  ['redis://a:b@h', true],
  ['x, redis://h?password=p', true],
  ['https://user@h/', true],
  ['redis://h:1/0', false],
  ['us-east-1=h:7700', false],
])('%s holds a password: %s', (text, holds) => {
  expect(holdsPassword(text)).toBe(holds)
})
