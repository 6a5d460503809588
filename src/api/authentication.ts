import { createHash, timingSafeEqual } from 'node:crypto'
import { createSigner, createVerifier } from 'fast-jwt'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { usersExist } from '../db/users.ts'
import { createLookup } from './lookup.ts'

/** Who may do what: shoppers by JWT, operators by the admin token. */
export interface Authentication {
  /** The user id of an `Authorization` header; undefined when it is no valid shopper's. */
  shopper(authorization: string | undefined): Promise<number | undefined>
  /** The same when this process has seen the token before; for the hot route. */
  knownShopper(authorization: string | undefined): number | undefined
  isAdmin(authorization: string | undefined): boolean
  /** A token for the user, good for a day. */
  issue(userId: number): string
}

export interface AuthenticationOptions {
  readonly jwtSecret: string
  readonly adminToken: string
  readonly database: Database
  readonly clock: Clock
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
}

const issuer = 'holdfast'
const audience = 'holdfast'
const tokenTtlMs = 24 * 3_600_000
const knownTokensMax = 100_000

interface KnownToken {
  readonly userId: number
  /** Epoch ms. */
  readonly expiresAt: number
}

/** Tokens are verified once and remembered until they expire: HMAC and JSON are not free. */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { jwtSecret: key, database, clock, defer } = options
  const userExists = createLookup({ database, defer, read: usersExist })
  const known = new LRUCache<string, KnownToken>({ max: knownTokensMax })
  const sign = createSigner({ key, algorithm: 'HS256', iss: issuer, aud: audience })
  const requiredClaims = ['iss', 'aud', 'sub', 'exp']
  const verify = createVerifier({
    key,
    algorithms: ['HS256'],
    allowedIss: issuer,
    allowedAud: audience,
    requiredClaims,
    // The clock is ours, so expiry is checked below.
    ignoreExpiration: true,
  })
  const adminDigest = digest(options.adminToken)

  function readToken(token: string): KnownToken | undefined {
    let claims: { readonly sub?: unknown; readonly exp?: unknown }
    try {
      claims = verify(token) as typeof claims
    } catch {
      return undefined
    }
    const userId = typeof claims.sub === 'string' && /^\d{1,15}$/.test(claims.sub) ? +claims.sub : 0
    if (userId === 0 || typeof claims.exp !== 'number') return undefined
    return { userId, expiresAt: claims.exp * 1000 }
  }

  function knownShopper(authorization: string | undefined): number | undefined {
    const token = bearer(authorization)
    const entry = token === undefined ? undefined : known.get(token)
    return entry !== undefined && entry.expiresAt > clock.now() ? entry.userId : undefined
  }

  async function shopper(authorization: string | undefined): Promise<number | undefined> {
    const seen = knownShopper(authorization)
    if (seen !== undefined) return seen
    const token = bearer(authorization)
    const read = token === undefined ? undefined : readToken(token)
    if (token === undefined || read === undefined || read.expiresAt <= clock.now()) return undefined
    if (!(await userExists(read.userId))) return undefined
    known.set(token, read)
    return read.userId
  }

  return {
    shopper,
    knownShopper,
    isAdmin(authorization) {
      const token = bearer(authorization)
      return token !== undefined && timingSafeEqual(digest(token), adminDigest)
    },
    issue(userId) {
      const iat = Math.floor(clock.now() / 1000)
      return sign({ sub: String(userId), iat, exp: iat + tokenTtlMs / 1000 })
    },
  }
}

function bearer(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > 4096) return undefined
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1]
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
