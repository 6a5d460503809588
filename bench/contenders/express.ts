import { cannedAnswer, cannedKind } from './canned-answers.ts'
import { createExpressApp } from './express-app.ts'
import { listen } from './listen.ts'

/** Contender `express`: the same as `bare`, on Express 5. */
const kind = cannedKind()

const app = createExpressApp((request, response) => {
  const { status, contentType, body } = cannedAnswer(kind, request.body)
  response.status(status).type(contentType).json(body)
})

listen('express', app)
