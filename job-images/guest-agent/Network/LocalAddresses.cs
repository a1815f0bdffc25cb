using System.Buffers.Binary;
using System.ComponentModel;
using System.Net;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// Tells the steering which addresses are the guest's own, now and as they come and go: a job may add interfaces and
/// listen there, and a bridge of containers has a gateway address.
/// </summary>
internal sealed class LocalAddresses(SocketSteering steering)
{
    private const uint RTMGRP_IPV4_IFADDR = 0x10, RTMGRP_IPV6_IFADDR = 0x100;
    private const ushort RTM_NEWADDR = 20, RTM_DELADDR = 21;
    private const int ThreadStack = 256 * 1024;
    private const ushort IFA_ADDRESS = 1, IFA_LOCAL = 2;

    /// <summary>Begins listening before anything is added, so nothing is missed.</summary>
    public void Start()
    {
        steering.AddLocal(IPAddress.IPv6Loopback);
        steering.AddLocal(GuestNetwork.Address);
        steering.AddLocal(GuestNetwork.Address6);
        var announcements = new NetlinkSocket(RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
        new Thread(() => Follow(announcements), ThreadStack) { IsBackground = true, Name = "addresses" }.Start();
    }

    private void Follow(NetlinkSocket announcements)
    {
        using var owned = announcements;
        var buffer = new byte[32 * 1024];
        while (true)
        {
            try
            {
                Take(buffer.AsSpan(0, announcements.Receive(buffer)));
            }
            catch (Win32Exception e) when (e.NativeErrorCode is 4 or 105)
            {
                // Interrupted, or more announcements than fit: the next ones still count.
            }
            catch (Win32Exception)
            {
                return;
            }
        }
    }

    private void Take(ReadOnlySpan<byte> messages)
    {
        while (messages.Length >= 16)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(messages);
            if (length < 16 || length > messages.Length) return;
            var type = BinaryPrimitives.ReadUInt16LittleEndian(messages[4..]);
            if (type is RTM_NEWADDR or RTM_DELADDR && length >= 24 && FindAddress(messages[24..length]) is { } address)
            {
                if (type == RTM_NEWADDR) steering.AddLocal(address);
                else steering.RemoveLocal(address);
            }

            messages = messages[Math.Min((length + 3) & ~3, messages.Length)..];
        }
    }

    /// <summary>IFA_LOCAL where there is one; on a point-to-point link IFA_ADDRESS is the other end.</summary>
    private static IPAddress? FindAddress(ReadOnlySpan<byte> attributes)
    {
        IPAddress? found = null;
        while (attributes.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
            var type = BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]);
            if (length < 4 || length > attributes.Length) return found;
            var value = attributes[4..length];
            if (value.Length is 4 or 16 && (type == IFA_LOCAL || (type == IFA_ADDRESS && found is null))) found = new(value);
            attributes = attributes[Math.Min((length + 3) & ~3, attributes.Length)..];
        }

        return found;
    }
}
