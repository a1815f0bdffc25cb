using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;

namespace RunnerVm.GuestProtocol;

/// <summary>
/// Many channels over one duplex stream (PROTOCOL.md). Both ends use this class. Whatever the peer sends, memory stays
/// bounded by what this side has granted, and a broken rule ends the connection with a <see cref="ProtocolException"/>
/// in <see cref="Completion"/> and in every channel. Owns the stream.
/// </summary>
public sealed class GuestConnection : IAsyncDisposable
{
    private readonly Stream _stream;
    private readonly Role _role;
    private readonly byte[] _hello;
    private readonly OutboundQueue _outbound;
    private readonly ConcurrentDictionary<uint, GuestChannel> _channels = new();
    private readonly Channel<GuestChannel> _accepted = Channel.CreateUnbounded<GuestChannel>(new() { SingleWriter = true });
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _aborted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _openLock = new();
    private uint _nextOwn;
    private uint _nextPeer;
    private int _peerChannels;
    private volatile bool _mayBeginAfresh;

    private GuestConnection(Stream stream, Role role, byte[] hello)
    {
        (_stream, _role, _hello, _outbound) = (stream, role, hello, new(stream as IDirectWriter));
        ResetNumbers();
    }

    /// <summary>What the peer said first. Untrusted text on the host.</summary>
    public Hello Peer { get; private set; } = null!;

    /// <summary>
    /// Ends without an error when the peer closed the stream between frames or this side was disposed; faults with a
    /// <see cref="ProtocolException"/> when a rule was broken and with the stream's own exception when that failed.
    /// </summary>
    public Task Completion { get; private set; } = Task.CompletedTask;

    /// <summary>Exchanges hellos and starts reading. The stream is disposed when this fails.</summary>
    /// <param name="build">Names this side's build in the peer's log; at most 64 bytes.</param>
    /// <exception cref="ProtocolException">The peer is not one of ours, or of another version.</exception>
    public static async Task<GuestConnection> OpenAsync(Stream stream, Role role, string build, CancellationToken cancellationToken)
    {
        try
        {
            var connection = new GuestConnection(stream, role, new Hello(Hello.CurrentVersion, build).ToPayload());
            connection.SendHello();
            var pump = connection._outbound.PumpAsync(stream, connection._stop.Token);
            connection.Peer = await connection.ReadHelloAsync(cancellationToken);
            connection.Completion = connection.RunAsync(pump);
            return connection;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens a channel. The peer may reset it at once; that is seen when reading, writing or awaiting the result.</summary>
    /// <param name="request">From the host up to 16 MiB, from the guest up to 4 KiB.</param>
    /// <param name="window">Most bytes the peer may have on their way to this side.</param>
    /// <exception cref="ChannelResetException">The connection has ended.</exception>
    public GuestChannel Open(ChannelKind kind, ReadOnlySpan<byte> request, int window = Limits.DefaultWindow)
    {
        var payload = new byte[OpenPrefix.Size + request.Length];
        new OpenPrefix(kind, window).Write(payload);
        request.CopyTo(payload.AsSpan(OpenPrefix.Size));

        // Numbers must reach the wire in order, so taking one and queueing the frame are one step.
        lock (_openLock)
        {
            var id = _nextOwn;
            _nextOwn += 2;
            var channel = new GuestChannel(this, id, kind, request.ToArray(), window, peerCredit: 0);
            _channels[id] = channel;
            SendAnswer(new(payload.Length, FrameType.Open, 0, id), payload);
            return channel;
        }
    }

    /// <summary>Channels the peer opens, in order, until the connection ends. Whoever takes one owns it.</summary>
    public IAsyncEnumerable<GuestChannel> AcceptAsync(CancellationToken cancellationToken) =>
        _accepted.Reader.ReadAllAsync(cancellationToken);

    /// <summary>
    /// Ends the connection because a layer above found the peer breaking a rule; <see cref="Completion"/> and every
    /// channel get <paramref name="violation"/>.
    /// </summary>
    public void Abort(ProtocolException violation) => _aborted.TrySetException(violation);

    /// <summary>
    /// Guest only: whether a hello may come in the middle of the stream. It does in a copy of this machine that was restored
    /// from a snapshot: there a new host is at the other end, which knows nothing of the one before.
    /// </summary>
    public bool MayBeginAfresh
    {
        get => _mayBeginAfresh;
        set => _mayBeginAfresh = value;
    }

    /// <summary>
    /// Asked first for every channel the peer opens, on the thread that reads the stream: true takes the channel, and no more is read until
    /// then. What it says no to comes out of <see cref="AcceptAsync"/>.
    /// </summary>
    public Func<GuestChannel, bool>? TakesAtOnce { get; set; }

    public async ValueTask DisposeAsync()
    {
        if (!_stop.IsCancellationRequested) await _stop.CancelAsync();
        await _stream.DisposeAsync();
        await Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    internal ValueTask SendDataAsync(uint channel, byte lane, ReadOnlySpan<byte> bytes) =>
        _outbound.AddAsync(new(bytes.Length, FrameType.Data, lane, channel), bytes);

    internal void SendAnswer(FrameHeader header, ReadOnlySpan<byte> payload) => _outbound.AddAnswer(header, payload);

    /// <summary>As <see cref="SendAnswer"/>, for goodbyes that may come after the connection's end.</summary>
    internal void TrySendAnswer(FrameHeader header, ReadOnlySpan<byte> payload)
    {
        try
        {
            SendAnswer(header, payload);
        }
        catch (IOException)
        {
            // The connection is over, and with it the channel.
        }
    }

    internal void GrantCredit(uint channel, int bytes)
    {
        Span<byte> payload = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(payload, bytes);
        TrySendAnswer(new(4, FrameType.Credit, 0, channel), payload);
    }

    internal void Forget(GuestChannel channel)
    {
        if (_channels.TryRemove(channel.Id, out _) && IsPeers(channel.Id)) Interlocked.Decrement(ref _peerChannels);
    }

    private async Task RunAsync(Task pump)
    {
        Exception? failure = null;
        try
        {
            var reading = ReadFramesAsync();
            await Task.WhenAny(reading, pump, _aborted.Task);
            if (_aborted.Task.IsFaulted) await _aborted.Task;
            if (pump.IsFaulted) await pump;
            await reading;
        }
        catch (Exception e) when (_stop.IsCancellationRequested && e is not ProtocolException)
        {
            // Disposed: whatever the stream threw is the sound of its closing.
        }
        catch (Exception e)
        {
            failure = e;
        }

        var reason = failure ?? new EndOfStreamException("The connection has ended.");
        _outbound.Fail(reason);
        _accepted.Writer.TryComplete();
        foreach (var channel in _channels.Values) channel.OnReset(new ChannelResetException(reason.Message, reason));
        // A pump that waits for a peer that does not read would otherwise wait forever.
        await _stop.CancelAsync();
        await _stream.DisposeAsync();
        await pump.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (failure is not null) ExceptionDispatchInfo.Throw(failure);
    }

    private async Task<Hello> ReadHelloAsync(CancellationToken cancellationToken)
    {
        var bytes = new byte[Limits.HeaderSize];
        await ReadExactAsync(bytes, cancellationToken);
        var header = FrameHeader.Read(bytes, PeerRole);
        if (header.Type != FrameType.Hello || header.Channel != 0) throw Malformed.NotHello(header.Type);
        if (header.Length > 1024) throw Malformed.BadHello($"it has {header.Length} bytes");
        var payload = new byte[header.Length];
        await ReadExactAsync(payload, cancellationToken);
        return Hello.Read(payload);
    }

    private async Task ReadExactAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        var read = await _stream.ReadAtLeastAsync(target, target.Length, throwOnEndOfStream: false, cancellationToken);
        if (read < target.Length) throw Malformed.Truncated();
    }

    /// <summary>Reads large pieces and cuts frames out of them, so that small frames do not cost a system call each.</summary>
    private async Task ReadFramesAsync()
    {
        var buffer = new byte[2 * (Limits.HeaderSize + Limits.MaxPayload)];
        var start = 0;
        var end = 0;
        while (true)
        {
            while (end - start >= Limits.HeaderSize)
            {
                var header = FrameHeader.Read(buffer.AsSpan(start), PeerRole);
                var frame = Limits.HeaderSize + header.Length;
                if (frame > buffer.Length)
                {
                    // Only a host's request can be this long; it gets room of its own.
                    Array.Resize(ref buffer, frame);
                    continue;
                }

                if (end - start < frame) break;
                Dispatch(header, buffer.AsSpan(start + Limits.HeaderSize, header.Length));
                start += frame;
            }

            if (start > 0)
            {
                buffer.AsSpan(start, end - start).CopyTo(buffer);
                (start, end) = (0, end - start);
            }

            var read = await _stream.ReadAsync(buffer.AsMemory(end), _stop.Token);
            if (read == 0)
            {
                if (end > 0) throw Malformed.Truncated();
                return;
            }

            end += read;
        }
    }

    private void Dispatch(FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Type == FrameType.Open)
        {
            OnOpen(header.Channel, payload);
            return;
        }

        if (header is { Type: FrameType.Hello, Channel: 0 } && _mayBeginAfresh)
        {
            BeginAfresh(payload);
            return;
        }

        if (header.Type == FrameType.Hello || header.Channel == 0) throw Malformed.UnexpectedFrame(header.Type, header.Channel);
        if (!_channels.TryGetValue(header.Channel, out var channel))
        {
            // Frames that crossed our reset or close on the wire are stale, not wrong.
            if (WasOpened(header.Channel)) return;
            throw Malformed.NeverOpened(header.Channel);
        }

        switch (header.Type)
        {
            case FrameType.Data:
                if (payload.IsEmpty) throw Malformed.EmptyData(header.Channel);
                var rented = ArrayPool<byte>.Shared.Rent(payload.Length);
                payload.CopyTo(rented);
                channel.OnData(header.Lane, rented, payload.Length);
                break;
            case FrameType.Credit:
                if (payload.Length != 4) throw Malformed.FrameTooShort(FrameType.Credit, payload.Length, 4);
                channel.OnCredit(BinaryPrimitives.ReadUInt32LittleEndian(payload));
                break;
            case FrameType.End:
                channel.OnEnd();
                break;
            case FrameType.Close:
                if (IsPeers(header.Channel)) throw Malformed.UnexpectedFrame(header.Type, header.Channel);
                channel.OnClose(payload.ToArray());
                break;
            case FrameType.Reset:
                if (payload.Length > Limits.MaxReason) throw Malformed.FrameTooLong(FrameType.Reset, (uint)payload.Length, Limits.MaxReason);
                channel.OnReset(new ChannelResetException(System.Text.Encoding.UTF8.GetString(payload)));
                break;
        }
    }

    /// <summary>Whatever was open belongs to another machine; numbers start again, as the new host's do.</summary>
    private void BeginAfresh(ReadOnlySpan<byte> hello)
    {
        Peer = Hello.Read(hello);
        foreach (var channel in _channels.Values) channel.OnReset(new ChannelResetException("The machine was restored from a snapshot."));
        lock (_openLock) ResetNumbers();
        SendHello();
    }

    private void ResetNumbers() => (_nextOwn, _nextPeer) = _role == Role.Host ? (2u, 1u) : (1u, 2u);

    private void SendHello() => SendAnswer(new(_hello.Length, FrameType.Hello, 0, 0), _hello);

    private void OnOpen(uint id, ReadOnlySpan<byte> payload)
    {
        if (id != _nextPeer) throw Malformed.BadChannelNumber(id);
        _nextPeer += 2;
        var prefix = OpenPrefix.Read(payload);
        // Those that nobody has accepted yet count too, whether or not the peer has reset them meanwhile.
        if (Interlocked.Increment(ref _peerChannels) > Limits.MaxPeerChannels || _accepted.Reader.Count >= Limits.MaxPeerChannels)
        {
            Interlocked.Decrement(ref _peerChannels);
            var reason = "Too many channels are open."u8;
            SendAnswer(new(reason.Length, FrameType.Reset, 0, id), reason);
            return;
        }

        var window = PeerRole == Role.Guest ? Limits.GuestOpenedWindow : Limits.DefaultWindow;
        var channel = new GuestChannel(this, id, prefix.Kind, payload[OpenPrefix.Size..].ToArray(), window, prefix.Credit);
        _channels[id] = channel;
        GrantCredit(id, window);
        if (TakesAtOnce?.Invoke(channel) != true) _accepted.Writer.TryWrite(channel);
    }

    private Role PeerRole => _role == Role.Host ? Role.Guest : Role.Host;

    private bool IsPeers(uint channel) => (channel & 1) == (_role == Role.Host ? 1u : 0u);

    private bool WasOpened(uint channel)
    {
        if (IsPeers(channel)) return channel < _nextPeer;
        lock (_openLock) return channel < _nextOwn;
    }
}
