import { Box, Loader, Modal, Text, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { type KeyboardEvent, useId, useState } from 'react'
import { useNavigate } from 'react-router'
import { sentenceOf } from '@/api/problem'
import { words } from '@/lib/format'
import { type Found, pageOf, useSearch } from './use-search'

/** One field for everything: signals, orders, strategies, accounts, instruments. */
export function Search({ opened, close }: { opened: boolean; close: () => void }) {
  return (
    <Modal.Root
      opened={opened}
      onClose={close}
      size="lg"
      yOffset="8dvh"
      transitionProps={{ duration: 0 }}
    >
      <Modal.Overlay />
      <Modal.Content aria-label="Search" p="xs">
        {opened && <Field close={close} />}
      </Modal.Content>
    </Modal.Root>
  )
}

function Field({ close }: { close: () => void }) {
  const [typed, setTyped] = useState('')
  const [asked] = useDebouncedValue(typed.trim(), 150)
  const [chosen, setChosen] = useState(0)
  const list = useId()
  const navigate = useNavigate()
  const query = useSearch(asked)
  const rows = asked ? (query.data?.hits ?? []) : []
  const at = Math.min(chosen, Math.max(rows.length - 1, 0))

  function go(found: Found) {
    close()
    void navigate(pageOf(found))
  }
  function onKey(event: KeyboardEvent) {
    const found = rows[at]
    if (event.key === 'ArrowDown') setChosen(Math.min(at + 1, rows.length - 1))
    else if (event.key === 'ArrowUp') setChosen(Math.max(at - 1, 0))
    else if (event.key === 'Enter' && found) go(found)
    else return
    event.preventDefault()
  }

  return (
    <>
      <TextInput
        data-autofocus
        size="md"
        placeholder="Signal, order, strategy, account, instrument"
        leftSection={<IconSearch size={18} aria-hidden />}
        rightSection={query.isFetching ? <Loader size={16} /> : null}
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value)
          setChosen(0)
        }}
        onKeyDown={onKey}
        role="combobox"
        aria-label="Search"
        aria-expanded={rows.length > 0}
        aria-controls={list}
        aria-activedescendant={rows.length > 0 ? `${list}-${at}` : undefined}
        autoComplete="off"
        maxLength={100}
      />
      <Box id={list} role="listbox" aria-label="Found" mt={rows.length > 0 ? 'xs' : 0}>
        {rows.map((found, number) => (
          <Box
            key={`${found.kind} ${found.hit_id}`}
            id={`${list}-${number}`}
            role="option"
            aria-selected={number === at}
            onMouseDown={() => go(found)}
            onMouseEnter={() => setChosen(number)}
            p="6px 10px"
            bg={number === at ? 'var(--mantine-color-default-hover)' : undefined}
            style={{ cursor: 'pointer', borderRadius: 4 }}
          >
            <Text fz="sm" truncate>
              <Text span c="dimmed" fz="xs">
                {words(found.kind)}{' '}
              </Text>
              {found.title}
            </Text>
            {found.detail && (
              <Text fz="xs" c="dimmed" truncate>
                {found.detail}
              </Text>
            )}
          </Box>
        ))}
      </Box>
      <Text fz="xs" c="dimmed" mt={6} role="status">
        {said(asked, rows.length, query)}
      </Text>
    </>
  )
}

function said(asked: string, found: number, query: { isPending: boolean; error: unknown }): string {
  if (!asked) return 'Enter opens, arrows choose, Esc closes.'
  if (query.error) return sentenceOf(query.error)
  if (query.isPending) return 'Looking …'
  return found === 0 ? `Nothing is called “${asked}”.` : `${found} found.`
}
