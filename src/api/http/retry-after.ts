type Headers = Readonly<Record<string, string>>

const spreadSeconds = 3
let turn = 0

/**
 * Adds 0, 1 or 2 s in turn to the `Retry-After` of the headers, if there is one: a crowd that is
 * refused together must not come back together. Nothing of the request decides the turn, so no
 * client can choose it.
 */
export function spreadRetryAfter(headers: Headers): Headers {
  const seconds = headers['retry-after']
  if (seconds === undefined) return headers
  turn = (turn + 1) % spreadSeconds
  return { ...headers, 'retry-after': String(Number(seconds) + turn) }
}
