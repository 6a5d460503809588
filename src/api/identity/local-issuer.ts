import { createSigner, createVerifier } from 'fast-jwt'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { findUserIds } from '../../db/users.ts'
import { createLookup } from '../lookup.ts'
import type { TokenIssuer } from './authentication.ts'

/**
 * Issues and reads our own tokens, HS256, for development, tests and bots. The subject of a token is the
 * random uid of its user and not the number: a database that was restored from a copy gives numbers out
 * again, and yesterday's token of user 3 would open the account of another user 3.
 */
export interface LocalIssuer extends TokenIssuer {
  /** Makes a token for the user with this uid, good for a day. */
  issue(userUid: string): string
}

export interface LocalIssuerOptions {
  readonly jwtSecret: string
  readonly database: Database
  readonly clock: Clock
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
}

const issuer = 'holdfast'
const audience = 'holdfast'
const tokenTtlMs = 24 * 3_600_000
const uidPattern = /^[0-9a-f]{32}$/

interface Claims {
  readonly userUid: string
  /** Epoch ms. */
  readonly goodUntil: number
}

export function createLocalIssuer(options: LocalIssuerOptions): LocalIssuer {
  const { jwtSecret, database, clock, defer } = options
  const findUserId = createLookup({ database, defer, read: findUserIds })
  const sign = createSigner({ key: jwtSecret, algorithm: 'HS256', iss: issuer, aud: audience })
  const verify = createVerifier({
    key: jwtSecret,
    algorithms: ['HS256'],
    allowedIss: issuer,
    allowedAud: audience,
    requiredClaims: ['iss', 'aud', 'sub', 'exp'],
    // Expiry is checked below, by the clock that was passed in.
    ignoreExpiration: true,
  })

  function read(token: string): Claims | undefined {
    let claims: { readonly sub?: unknown; readonly exp?: unknown }
    try {
      claims = verify(token) as typeof claims
    } catch {
      return undefined
    }
    const { sub, exp } = claims
    if (typeof sub !== 'string' || !uidPattern.test(sub) || typeof exp !== 'number')
      return undefined
    return { userUid: sub, goodUntil: exp * 1000 }
  }

  return {
    async identify(token) {
      const found = read(token)
      if (found === undefined || found.goodUntil <= clock.now()) return undefined
      const userId = await findUserId(found.userUid)
      return userId === undefined ? undefined : { userId, ...found }
    },
    issue(userUid) {
      const iat = Math.floor(clock.now() / 1000)
      return sign({ sub: userUid, iat, exp: iat + tokenTtlMs / 1000 })
    },
  }
}
