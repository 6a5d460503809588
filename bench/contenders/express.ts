import { cannedAnswer, cannedKind, cannedStock } from './canned-answers.ts'
import { createExpressApp } from './express-app.ts'
import { listen } from './listen.ts'

/** Contender `express`: the same as `bare`, on Express 5. */
const kind = cannedKind()

const app = createExpressApp()
app.post('/v1/cart/items', (request, response) => {
  const { status, contentType, body } = cannedAnswer(kind, request.body)
  response.status(status).type(contentType).json(body)
})
app.get('/v1/products/:id/stock', (_request, response) => {
  response.json(cannedStock)
})

listen('express', app)
