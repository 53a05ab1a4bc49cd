import { screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { beforeEach, expect, test } from 'vitest'
import { renderAt } from '@/testing/render'
import { server } from '@/testing/server'
import { LoginPage } from './login-page'
import { localPath } from './next'

const LOGIN = '*/api/dashboard_creator/v1/auth/login'
const ME = {
  name: 'olga',
  role: 'OPERATOR',
  permissions: ['READ'],
  csrf_token: 'token of the session',
  must_change_password: false,
}

function refusal(status: number, code: string, message = code) {
  return HttpResponse.json({ code, message, field: '' }, { status })
}

async function typeIn(fields: Record<string, string>, button: string) {
  const user = userEvent.setup()
  for (const [name, text] of Object.entries(fields)) {
    await user.click(screen.getByLabelText(new RegExp(`^${name}`), { selector: 'input' }))
    await user.paste(text)
  }
  await user.click(screen.getByRole('button', { name: button }))
}

beforeEach(() => localStorage.clear())

test('name and password lead to where one wanted to go', async () => {
  let asked: unknown
  server.use(
    http.post(LOGIN, async ({ request }) => {
      asked = await request.json()
      return HttpResponse.json(ME)
    }),
  )
  renderAt('/login?next=%2Fsignals', '/login', <LoginPage />)
  await typeIn({ Name: 'olga', Password: 'her own sentence' }, 'Log in')
  expect(await screen.findByText('elsewhere')).toBeInTheDocument()
  expect(asked).toEqual({ name: 'olga', password: 'her own sentence', code: '' })
})

test('a second factor is asked for, and a wrong code may be typed again', async () => {
  server.use(
    http.post(LOGIN, async ({ request }) => {
      const { code } = (await request.json()) as { code: string }
      if (code === '') return refusal(401, 'TOTP_REQUIRED')
      return code === '123456' ? HttpResponse.json(ME) : refusal(401, 'WRONG_CODE', 'it is wrong')
    }),
  )
  renderAt('/login', '/login', <LoginPage />)
  await typeIn({ Name: 'olga', Password: 'her own sentence' }, 'Log in')
  await screen.findByLabelText(/^Code/)
  await typeIn({ Code: '654321' }, 'Go on')
  expect(await screen.findByRole('alert')).toHaveTextContent('it is wrong (WRONG_CODE)')
  await userEvent.clear(screen.getByLabelText(/^Code/))
  await typeIn({ Code: '123456' }, 'Go on')
  expect(await screen.findByText('elsewhere')).toBeInTheDocument()
})

test('a password that was given must be changed, with the token of the log-in', async () => {
  let changed: unknown
  let token: string | null = null
  server.use(
    http.post(LOGIN, () => HttpResponse.json({ ...ME, must_change_password: true })),
    http.get('*/api/dashboard_creator/v1/me', () =>
      HttpResponse.json({ ...ME, must_change_password: true }),
    ),
    http.post('*/api/dashboard_creator/v1/me/password', async ({ request }) => {
      changed = await request.json()
      token = request.headers.get('X-CSRF-Token')
      return HttpResponse.json(ME)
    }),
  )
  renderAt('/login', '/login', <LoginPage />)
  await typeIn({ Name: 'olga', Password: 'the given one' }, 'Log in')
  await screen.findByText(/given to you by somebody else/)
  await typeIn({ 'New password': 'too short' }, 'Set my password')
  expect(screen.getByRole('button', { name: 'Set my password' })).toBeDisabled()
  await typeIn(
    { 'New password': ' now long enough', 'The same again': 'too short now long enough' },
    'Set my password',
  )
  expect(await screen.findByText('elsewhere')).toBeInTheDocument()
  expect(changed).toEqual({ password: 'the given one', new_password: 'too short now long enough' })
  expect(token).toBe('token of the session')
})

test('after the log-in one only goes to pages of ours', () => {
  for (const evil of ['//evil.example', 'https://evil.example', '/\\evil.example', '', null])
    expect(localPath(evil)).toBe('/')
  expect(localPath('/signals?status=FILLED')).toBe('/signals?status=FILLED')
})
