import { createSigner, createVerifier } from 'fast-jwt'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { usersExist } from '../../db/users.ts'
import { createLookup } from '../lookup.ts'
import type { IdentifiedToken, TokenIssuer } from './authentication.ts'

/** Issues and reads tokens of our own, HS256: for development, tests and bots. */
export interface LocalIssuer extends TokenIssuer {
  /** A token for the user, good for a day. */
  issue(userId: number): string
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

export function createLocalIssuer(options: LocalIssuerOptions): LocalIssuer {
  const { jwtSecret, database, clock, defer } = options
  const userExists = createLookup({ database, defer, read: usersExist })
  const sign = createSigner({ key: jwtSecret, algorithm: 'HS256', iss: issuer, aud: audience })
  const verify = createVerifier({
    key: jwtSecret,
    algorithms: ['HS256'],
    allowedIss: issuer,
    allowedAud: audience,
    requiredClaims: ['iss', 'aud', 'sub', 'exp'],
    // The clock is ours, so expiry is checked by whoever asked.
    ignoreExpiration: true,
  })

  function read(token: string): IdentifiedToken | undefined {
    let claims: { readonly sub?: unknown; readonly exp?: unknown }
    try {
      claims = verify(token) as typeof claims
    } catch {
      return undefined
    }
    const userId = typeof claims.sub === 'string' && /^\d{1,15}$/.test(claims.sub) ? +claims.sub : 0
    if (userId === 0 || typeof claims.exp !== 'number') return undefined
    return { userId, goodUntil: claims.exp * 1000 }
  }

  return {
    async identify(token) {
      const found = read(token)
      if (found === undefined || found.goodUntil <= clock.now()) return undefined
      return (await userExists(found.userId)) ? found : undefined
    },
    issue(userId) {
      const iat = Math.floor(clock.now() / 1000)
      return sign({ sub: String(userId), iat, exp: iat + tokenTtlMs / 1000 })
    },
  }
}
