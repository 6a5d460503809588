import type Sqlite from 'better-sqlite3'
import { createVerifier } from 'fast-jwt'
import { LRUCache } from 'lru-cache'
import { tokenAudience, tokenIssuer } from '../shoppers.ts'

/** The user id of an `Authorization` header; undefined when it is no valid shopper's. */
export type Authenticate = (authorization: string | undefined) => number | undefined

const knownTokensMax = 100_000
const selectUser = `select id from users where id = ?`

interface KnownToken {
  readonly userId: number
  /** Epoch ms. */
  readonly expiresAt: number
}

/**
 * Authenticates as Holdfast does: same library, same claims, users looked up, tokens verified once.
 */
export function createAuthenticate(connection: Sqlite.Database, jwtSecret: string): Authenticate {
  const known = new LRUCache<string, KnownToken>({ max: knownTokensMax })
  const findUser = connection.prepare(selectUser)
  const verify = createVerifier({
    key: jwtSecret,
    algorithms: ['HS256'],
    allowedIss: tokenIssuer,
    allowedAud: tokenAudience,
    requiredClaims: ['iss', 'aud', 'sub', 'exp'],
  })

  return (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    if (token === undefined) return undefined
    const seen = known.get(token)
    if (seen !== undefined) return seen.expiresAt > Date.now() ? seen.userId : undefined
    const read = readToken(verify, token)
    if (read === undefined || findUser.get(read.userId) === undefined) return undefined
    known.set(token, read)
    return read.userId
  }
}

function readToken(verify: (token: string) => unknown, token: string): KnownToken | undefined {
  try {
    const { sub, exp } = verify(token) as { readonly sub: string; readonly exp: number }
    // The bench's uids are the ids in hex.
    return { userId: Number.parseInt(sub, 16), expiresAt: exp * 1000 }
  } catch {
    return undefined
  }
}
