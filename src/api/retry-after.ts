type Headers = Readonly<Record<string, string>>

const spreadSeconds = 3

/**
 * The headers with their `Retry-After`, if they have one, put off by 0 to 2 s. The request's id decides,
 * whose last digits are random: a crowd sent away together must not come back together.
 */
export function spreadRetryAfter(headers: Headers, requestId: string): Headers {
  const seconds = headers['retry-after']
  if (seconds === undefined) return headers
  let sum = 0
  for (let at = 0; at < requestId.length; at += 1) sum += requestId.charCodeAt(at)
  return { ...headers, 'retry-after': String(Number(seconds) + (sum % spreadSeconds)) }
}
