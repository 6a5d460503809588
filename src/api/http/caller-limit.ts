import { isIPv6 } from 'node:net'
import type { Request, RequestHandler } from 'express'
import type { Clock } from '../../clock.ts'
import type { Authentication } from '../identity/authentication.ts'
import { problem } from './problem.ts'
import { createRateLimit } from './rate-limit.ts'
import { sendReply } from './route.ts'

/** How many requests per second one caller may send outside add-to-cart, which has its own limit. */
export interface CallerLimitOptions {
  readonly authentication: Authentication
  readonly clock: Clock
  /** Of a shopper this process knows, wherever they send from; 0 is off. */
  readonly shopperRate: number
  /** Of everybody else who sends from one address; 0 is off. */
  readonly addressRate: number
}

/** Operators are not limited: there is one of them, and a bad day is when they are needed. */
export function limitCallers(options: CallerLimitOptions): RequestHandler {
  const { authentication, clock, shopperRate, addressRate } = options
  const shoppers = createRateLimit(shopperRate, clock)
  const addresses = createRateLimit<string>(addressRate, clock)

  function isWithinLimit(request: Request): boolean {
    const { authorization } = request.headers
    const userId = authentication.knownShopper(authorization)
    if (userId !== undefined) return shoppers.take(userId)
    if (addressRate === 0 || authentication.isAdmin(authorization)) return true
    return addresses.take(networkOf(request.ip ?? ''))
  }

  return (request, response, next) => {
    if (isUnlimited(request) || isWithinLimit(request)) next()
    else sendReply(response, problem('rate_limited'))
  }
}

/** Health is asked for by machines that must always get their answer. */
const unlimitedPaths = /^\/(v1\/cart\/items|livez|readyz|metrics)\/?$/i

function isUnlimited({ method, path }: Request): boolean {
  return unlimitedPaths.test(path) && (method === 'GET' || method === 'POST')
}

/** The address itself, or the network of 2^64 addresses every subscriber of IPv6 has. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => '0')
  const groups = [...first, ...(tail === undefined ? [] : zeros), ...last].slice(0, 4)
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')
}
