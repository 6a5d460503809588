import { setImmediate as nextTick } from 'node:timers/promises'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { createUser, type NewUser } from '../../db/users.ts'
import type { NewId } from '../../ids.ts'
import { done, type OperatorActions } from './operator-actions.ts'
import type { LocalIssuer } from '../identity/local-issuer.ts'
import { ProblemError } from '../http/problem.ts'
import { defineRoute, json } from '../http/route.ts'
import * as schemas from './schemas.ts'

export interface UserRoutesOptions {
  readonly database: Database
  readonly operatorActions: OperatorActions
  readonly localIssuer: LocalIssuer
  readonly clock: Clock
  readonly newId: NewId
}

type Bot = Pick<NewUser, 'id' | 'uid'>

/**
 * A part of this size keeps the transaction and the signing of its tokens short enough for other
 * requests.
 */
const usersPerTransaction = 200

/** Makes the routes for registering users. They exist only with the local issuer. */
export function userRoutes({
  database,
  operatorActions,
  localIssuer,
  clock,
  newId,
}: UserRoutesOptions) {
  const register = defineRoute({
    method: 'post',
    path: '/v1/users',
    access: 'anyone',
    tag: 'shoppers',
    summary: 'Register a shopper',
    description:
      'Creates a user and answers with their token, which every route of shoppers wants as `Authorization: Bearer`.',
    body: schemas.newUser,
    responses: {
      201: {
        description: 'Registered',
        schema: z.object({ user: schemas.user, token: schemas.token }),
      },
    },
    problems: ['email_taken'],
    async handle({ body }) {
      const made = await database.transaction(() => createUser(body, clock.now()))
      if (made === undefined) throw new ProblemError('email_taken')
      const { uid, ...user } = made
      return json(201, { user, token: localIssuer.issue(uid) })
    },
  })

  const registerBatch = defineRoute({
    method: 'post',
    path: '/v1/admin/users/batch',
    access: 'admin',
    tag: 'admin',
    summary: 'Create many users',
    description:
      'Creates users with made-up names for tests with bots, and answers with their tokens. A repeated request gets the same users with new tokens.',
    body: schemas.newUsers,
    idempotent: true,
    responses: {
      201: {
        description: 'Made',
        schema: z.object({ users: z.array(schemas.userWithToken) }),
      },
    },
    async handle(input) {
      const users: { id: number; token: string }[] = []
      let headers = {}
      while (users.length < input.body.count) {
        const count = Math.min(usersPerTransaction, input.body.count - users.length)
        const index = users.length / usersPerTransaction
        // A record for each transaction: it says what is there, also after a kill half way.
        const part = { ...input, part: { index, recorded: { count } } }
        const { outcome, reply } = await operatorActions.perform(
          part,
          () => createBots(count),
          (bots) => done(json(201, { bots })),
        )
        if (outcome !== 'done') return reply
        // A repeated request goes on where a killed one stopped. It is a replay when the other one began.
        if (index === 0) ({ headers } = reply)
        const { bots } = reply.body as { readonly bots: readonly Bot[] }
        // Tokens are secrets and not kept: a repeated request gets new ones of the same users.
        for (const { id, uid } of bots) users.push({ id, token: localIssuer.issue(uid) })
        await nextTick()
      }
      return json(201, { users }, headers)
    },
  })

  function* createBots(count: number) {
    const bots: Bot[] = []
    while (bots.length < count) {
      const bot = { name: 'Bot', email: `bot-${newId()}@bots.invalid` }
      const user = yield* createUser(bot, clock.now())
      if (user !== undefined) bots.push({ id: user.id, uid: user.uid })
    }
    return bots
  }

  return [register, registerBatch]
}
