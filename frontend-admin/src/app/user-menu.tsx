import { ActionIcon, Menu, useMantineColorScheme } from '@mantine/core'
import {
  IconDeviceDesktop,
  IconKeyboard,
  IconLogout,
  IconMoon,
  IconSettings,
  IconSun,
  IconUser,
} from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from 'react-router'
import { dashboards, setCsrfToken } from '@/api/client'
import { words } from '@/lib/format'
import { rememberLetIn, useSession } from '@/lib/session'

const SCHEMES = [
  { value: 'auto', label: 'As the system', icon: IconDeviceDesktop },
  { value: 'light', label: 'Light', icon: IconSun },
  { value: 'dark', label: 'Dark', icon: IconMoon },
] as const

export function UserMenu({ help }: { help: () => void }) {
  const session = useSession()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const { colorScheme, setColorScheme } = useMantineColorScheme()

  async function leave() {
    try {
      await dashboards.POST('/api/v1/auth/logout')
    } finally {
      rememberLetIn(false)
      setCsrfToken('')
      await navigate('/login') // pages that are still shown would ask anew, as nobody
      queries.clear()
    }
  }

  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`You: ${session.name}`}>
          <IconUser size={19} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.name} · {words(session.role)}
        </Menu.Label>
        <Menu.Item component={Link} to="/settings/profile" leftSection={<IconSettings size={15} />}>
          Settings
        </Menu.Item>
        <Menu.Item onClick={help} leftSection={<IconKeyboard size={15} />} rightSection="?">
          Keyboard
        </Menu.Item>
        <Menu.Divider />
        <Menu.Label>Appearance</Menu.Label>
        {SCHEMES.map(({ value, label, icon: Mark }) => (
          <Menu.Item
            key={value}
            role="menuitemradio"
            aria-checked={colorScheme === value}
            leftSection={<Mark size={15} />}
            rightSection={colorScheme === value ? '✓' : undefined}
            onClick={() => setColorScheme(value)}
          >
            {label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item onClick={() => void leave()} leftSection={<IconLogout size={15} />}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
