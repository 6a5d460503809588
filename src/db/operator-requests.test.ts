import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDatabaseFixture, type DatabaseFixture } from '../../test/support/database-fixture.ts'
import { run } from './database.ts'
import {
  answerOperatorRequest,
  claimOperatorRequest,
  forgetOperatorRequests,
  releaseOperatorRequest,
  type OperatorRequest,
} from './operator-requests.ts'

let fixture: DatabaseFixture

beforeEach(async () => {
  fixture = await openDatabaseFixture()
})
afterEach(() => fixture.close())

const request: OperatorRequest = {
  operator: 'admin',
  route: 'POST /v1/admin/products',
  idempotencyKey: 'k1',
  part: 0,
  fingerprint: 'a'.repeat(64),
}
const answer = { status: 201, location: '/v1/x', body: '{"id":1}' }

const claim = (changes: Partial<OperatorRequest> = {}, now = 0) =>
  fixture.run(claimOperatorRequest({ ...request, ...changes }, now))

async function answered(changes: Partial<OperatorRequest> = {}, now = 0): Promise<void> {
  await fixture.database.transaction(function* () {
    yield* claimOperatorRequest({ ...request, ...changes }, now)
    yield* answerOperatorRequest({ ...request, ...changes }, answer)
  })
}

describe('a key of an operator', () => {
  it('is taken once, and then gives the answer it was given', async () => {
    await answered()
    expect(await claim()).toEqual({ kind: 'answered', answer })
  })

  it('is refused to a request with another body', async () => {
    await answered()
    expect(await claim({ fingerprint: 'b'.repeat(64) })).toEqual({ kind: 'other_request' })
  })

  it.each<Partial<OperatorRequest>>([
    { operator: 'anna' },
    { route: 'POST /v1/admin/flash-sales' },
    { idempotencyKey: 'k2' },
    { part: 1 },
  ])('says nothing about a request of another %o', async (changes) => {
    await answered()
    expect(await claim(changes)).toEqual({ kind: 'new' })
  })

  it('that was given back is free again', async () => {
    expect(await claim()).toEqual({ kind: 'new' })
    await fixture.run(releaseOperatorRequest(request))
    expect(await claim({ fingerprint: 'b'.repeat(64) })).toEqual({ kind: 'new' })
  })

  it('that was answered is neither given back nor answered anew', async () => {
    await answered()
    await fixture.run(releaseOperatorRequest(request))
    await fixture.run(answerOperatorRequest(request, { ...answer, status: 200 }))
    expect(await claim()).toEqual({ kind: 'answered', answer })
  })
})

describe('old keys', () => {
  const keys = async () =>
    (await fixture.rows<{ key: string }>('select idempotency_key as key from operator_requests'))
      .map(({ key }) => key)
      .sort()

  it('are forgotten by their age, oldest first, a bounded number at a time', async () => {
    for (const [index, age] of [30, 10, 20, 40].entries()) {
      await answered({ idempotencyKey: `k${age}`, part: index }, age)
    }
    await fixture.run(forgetOperatorRequests(40, 2))
    expect(await keys()).toEqual(['k30', 'k40'])
    await fixture.run(forgetOperatorRequests(40, 2))
    expect(await keys()).toEqual(['k40'])
  })
})

describe('the schema', () => {
  it.each([
    `status = 409, body = '{}'`,
    `status = 500, body = '{}'`,
    'status = 201',
    `body = '{}'`,
    `location = '/v1/x'`,
    `operator = ''`,
    `route = ''`,
    `idempotency_key = ''`,
    'part = -1',
    `fingerprint = 'x'`,
  ])('refuses %s', async (assignments) => {
    await claim()
    const update = fixture.run(run(`update operator_requests set ${assignments}`))
    await expect(update).rejects.toThrow('CHECK constraint failed')
  })

  it('has no key twice', async () => {
    await claim()
    const again = 'insert into operator_requests select * from operator_requests'
    await expect(fixture.run(run(again))).rejects.toThrow('UNIQUE constraint failed')
  })
})
