type Headers = Readonly<Record<string, string>>

const spreadSeconds = 3
let turn = 0

/**
 * The headers with their `Retry-After`, if they have one, put off by 0, 1 or 2 s in turn: a crowd sent away
 * together must not come back together. Nothing of the request decides, or its sender could.
 */
export function spreadRetryAfter(headers: Headers): Headers {
  const seconds = headers['retry-after']
  if (seconds === undefined) return headers
  turn = (turn + 1) % spreadSeconds
  return { ...headers, 'retry-after': String(Number(seconds) + turn) }
}
