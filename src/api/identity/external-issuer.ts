import { errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { findUsersOf, welcome } from '../../db/user-identities.ts'
import type { NewId } from '../../ids.ts'
import { IdentityUnavailableError, type TokenIssuer } from './authentication.ts'
import { createLookup } from '../lookup.ts'
import type { RemoteKeys } from './remote-keys.ts'

/**
 * Reads tokens of an identity provider. A subject becomes a user the first time it is seen, known by
 * (issuer, subject) from then on; nothing else of the token is believed or kept.
 */
export interface ExternalIssuerOptions {
  readonly issuer: string
  readonly audience: string
  readonly keys: RemoteKeys
  readonly database: Database
  readonly clock: Clock
  readonly newId: NewId
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
}

/** Asymmetric only: a public key can never be mistaken for a shared secret. */
const algorithms = ['RS256', 'ES256', 'EdDSA']
/** For `nbf` of an issuer whose clock is a little ahead. */
const clockToleranceSeconds = 5
/** A key that was withdrawn opens nothing any more after this. */
const rememberedMs = 10 * 60_000
/** Neither control characters, which the database counts otherwise, nor halves of surrogate pairs. */
const subjectPattern = /^[^\p{Cc}\p{Cs}]{1,255}$/u

export function createExternalIssuer(options: ExternalIssuerOptions): TokenIssuer {
  const { issuer, audience, keys, database, clock, newId, defer } = options
  const findUser = createLookup<string, number | undefined>({
    database,
    defer,
    read: (subjects) => findUsersOf(issuer, subjects),
  })

  async function check(token: string, key: JWTVerifyGetKey): Promise<JWTPayload> {
    const { payload } = await jwtVerify(token, key, {
      algorithms,
      issuer,
      audience,
      requiredClaims: ['sub', 'exp'],
      currentDate: new Date(clock.now()),
      clockTolerance: clockToleranceSeconds,
    })
    return payload
  }

  async function verified(token: string): Promise<JWTPayload | undefined> {
    try {
      return await check(token, await keys.current())
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) return nobodyUnless(error)
    }
    // The issuer may have a new key.
    try {
      return await check(token, await keys.renewed())
    } catch (error) {
      return nobodyUnless(error)
    }
  }

  function admit(subject: string): Promise<number> {
    const newcomer = { issuer, subject, email: `${newId()}@users.invalid` }
    return database.transaction(() => welcome(newcomer, clock.now()))
  }

  return {
    async identify(token) {
      const claims = await verified(token)
      if (claims?.exp === undefined) return undefined
      const { exp } = claims
      // Whoever signs may put any JSON there; jose only looks whether it is there.
      const subject: unknown = claims.sub
      if (typeof subject !== 'string' || !subjectPattern.test(subject)) return undefined
      const userId = (await findUser(subject)) ?? (await admit(subject))
      return { userId, goodUntil: Math.min(exp * 1000, clock.now() + rememberedMs) }
    },
  }
}

/** Nobody for a token that is not good. A key that cannot be used is the issuer's mistake. */
function nobodyUnless(error: unknown): JWTPayload | undefined {
  if (error instanceof errors.JOSEError) return undefined
  if (error instanceof IdentityUnavailableError) throw error
  throw new IdentityUnavailableError('a key of the issuer cannot be used', { cause: error })
}
