import type { Mutant } from './mutant.ts'

const requests = {
  file: 'src/db/operator-requests.ts',
  suite: 'src/db/operator-requests.test.ts',
}
const actions = {
  file: 'src/api/routes/operator-actions.ts',
  suite: 'src/api/routes/operator-actions.test.ts',
}

/** A request of an operator is done once with one key. */
export const operatorMutants: readonly Mutant[] = [
  {
    id: 'operator-key-once',
    breaks: 'I17: a repeated request of an operator is done again',
    ...requests,
    find: 'if (claimed !== undefined)',
    replace: 'if (claimed !== null)',
  },
  {
    id: 'operator-key-same-body',
    breaks: 'I17: a key used for another body gets the answer of the first',
    ...requests,
    find: 'return fingerprint === request.fingerprint',
    replace: "return fingerprint !== ''",
  },
  {
    id: 'operator-key-same-path',
    breaks: 'I17: a key used for another sale gets the answer of the first',
    ...actions,
    find: 'canonical({ params, body })',
    replace: 'canonical({ body })',
  },
  {
    id: 'operator-key-answer',
    breaks: 'I17: a repeated request of an operator has no answer',
    ...actions,
    find: 'yield* answerOperatorRequest(request, recordedAnswer(answer.reply))',
    replace: 'yield* releaseOperatorRequest(request)',
  },
  {
    id: 'operator-key-released',
    breaks: 'I17: a refused request of an operator cannot be tried again',
    ...actions,
    find: `} else {
      yield* releaseOperatorRequest(request)
    }`,
    replace: '}',
  },
  {
    id: 'operator-key-release-claimed',
    breaks: 'I17: an answered key is given back',
    ...requests,
    find: `const deleteClaim = \`
  delete from operator_requests
  where operator = ? and route = ? and idempotency_key = ? and part = ? and status is null\``,
    replace: `const deleteClaim = \`
  delete from operator_requests
  where operator = ? and route = ? and idempotency_key = ? and part = ?\``,
  },
  {
    id: 'operator-key-kept',
    breaks: 'I17: the keys of operators are forgotten at once',
    ...requests,
    find: 'where created_at < ? order by created_at limit ?)`',
    replace: 'where ? >= 0 order by created_at limit ?)`',
  },
]
