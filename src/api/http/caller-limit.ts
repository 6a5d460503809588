import { isIPv6 } from 'node:net'
import type { Request, RequestHandler } from 'express'
import type { Clock } from '../../clock.ts'
import type { Authentication } from '../identity/authentication.ts'
import { withoutLastSlash } from './paths.ts'
import { problem } from './problem.ts'
import { createRateLimit } from './rate-limit.ts'
import { sendReply } from './route.ts'

/** The requests per second that one caller may send to the routes without a limit of their own. */
export interface CallerLimitOptions {
  readonly authentication: Authentication
  readonly clock: Clock
  /** The rate of a shopper whose token this process has seen, from any address; 0 is off. */
  readonly shopperRate: number
  /** For everybody else together who sends from one address; 0 is off. */
  readonly addressRate: number
}

/**
 * Refuses with 429 beyond the rate. Operators are not limited: they are few, and needed most on a
 * bad day.
 */
export function limitCallers(options: CallerLimitOptions): RequestHandler {
  const { authentication, clock, shopperRate, addressRate } = options
  const shoppers = createRateLimit(shopperRate, clock)
  const addresses = createRateLimit<string>(addressRate, clock)

  function isWithinLimit(request: Request): boolean {
    const { authorization } = request.headers
    const shopper = authentication.knownShopper(authorization)
    if (shopper !== undefined) return shoppers.take(shopper.userId)
    if (addressRate === 0 || authentication.isAdmin(authorization)) return true
    return addresses.take(networkOf(request.ip ?? ''))
  }

  return (request, response, next) => {
    if (isUnlimited(request) || isWithinLimit(request)) next()
    else sendReply(response, problem('rate_limited'))
  }
}

/**
 * These routes have no limit by caller: add-to-cart has a limit of its own; machines that watch the
 * process must always get their answer; the provider sends its webhooks in bursts from a few
 * addresses, a refused one is money that arrives late, and a forged one costs no more than the
 * check of its signature.
 */
const unlimitedRoutes: ReadonlyMap<string, readonly string[]> = new Map([
  ['/v1/cart/items', ['POST']],
  ['/v1/webhooks/payments', ['POST']],
  ['/livez', ['GET', 'HEAD']],
  ['/readyz', ['GET', 'HEAD']],
  ['/metrics', ['GET', 'HEAD']],
])

/** Paths are compared as the router compares them: by case, with or without a slash at the end. */
function isUnlimited({ method, path }: Request): boolean {
  return unlimitedRoutes.get(withoutLastSlash(path))?.includes(method) === true
}

/**
 * The key an address is counted by: an IPv4 address itself, however it is written, and for IPv6 the
 * network of 2^64 addresses that every subscriber has.
 */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const groups = groupsOf(address)
  const isMapped = groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff'
  return isMapped ? dotted(groups.slice(6)) : groups.slice(0, 4).join(':')
}

/**
 * The eight groups of an IPv6 address in their shortest form: `2001:DB8::1` is 2001, db8, 0, 0, 0,
 * 0, 0, 1.
 */
function groupsOf(address: string): string[] {
  const hexadecimal = address
    .replace(/%.*$/, '')
    .replace(/\d+\.\d+\.\d+\.\d+$/, (text) => hexadecimalOf(text.split('.').map(Number)))
  const [head = '', tail] = hexadecimal.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => '0')
  return [...first, ...zeros, ...last].map((group) => Number.parseInt(group, 16).toString(16))
}

const hexadecimalOf = ([a = 0, b = 0, c = 0, d = 0]: readonly number[]): string =>
  `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`

function dotted(groups: readonly string[]): string {
  const bytes = groups.flatMap((group) => {
    const number = Number.parseInt(group, 16)
    return [number >> 8, number & 255]
  })
  return bytes.join('.')
}
