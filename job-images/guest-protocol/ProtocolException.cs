namespace RunnerVm.GuestProtocol;

/// <summary>
/// The peer broke a rule of PROTOCOL.md. The connection is unusable; the host
/// takes it as a failed machine, the agent powers off.
/// </summary>
public sealed class ProtocolException : IOException
{
    public ProtocolException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }
}

/// <summary>The peer reset a channel, or the connection under it ended. Other channels go on in the first case.</summary>
public sealed class ChannelResetException : IOException
{
    public ChannelResetException(string reason, Exception? cause = null)
        : base(reason, cause)
    {
    }
}

/// <summary>One named throw for each way to break the protocol, so that parsers read like a grammar.</summary>
internal static class Malformed
{
    public static ProtocolException UnknownFrameType(byte type) => new($"The peer sent a frame of unknown type {type}.");

    public static ProtocolException ReservedBits(FrameType type) => new($"The peer set reserved bits in a frame of type {type}.");

    public static ProtocolException FrameTooLong(FrameType type, uint length, int bound) =>
        new($"The peer announced {length} bytes in a frame of type {type}; {bound} are allowed.");

    public static ProtocolException FrameTooShort(FrameType type, int length, int needed) =>
        new($"The peer sent {length} bytes in a frame of type {type}; it needs {needed}.");

    public static ProtocolException EmptyData(uint channel) => new($"The peer sent an empty data frame on channel {channel}.");

    public static ProtocolException CreditExceeded(uint channel, int over) =>
        new($"The peer sent {over} bytes more on channel {channel} than it had credit for.");

    public static ProtocolException CreditOverflow(uint channel, long credit) =>
        new($"The peer raised the credit of channel {channel} to {credit}; {Limits.MaxWindow} is the most.");

    public static ProtocolException NeverOpened(uint channel) => new($"The peer used channel {channel}, which was never opened.");

    public static ProtocolException BadChannelNumber(uint channel) =>
        new($"The peer opened channel {channel}, which is not the next of its numbers.");

    public static ProtocolException UnexpectedFrame(FrameType type, uint channel) =>
        new($"The peer sent a frame of type {type} on channel {channel} where none is allowed.");

    public static ProtocolException AfterEnd(uint channel) => new($"The peer sent data on channel {channel} after its end.");

    public static ProtocolException NotHello(FrameType type) => new($"The peer began with a frame of type {type} instead of hello.");

    public static ProtocolException BadHello(string why) => new($"The peer's hello is not one: {why}.");

    public static ProtocolException VersionMismatch(int theirs) =>
        new($"The peer speaks protocol version {theirs}, this side {Hello.CurrentVersion}. Rebuild so that both are of one release.");

    /// <summary>No violation: it is what a machine that is ended looks like from outside.</summary>
    public static EndOfStreamException Truncated() => new("The stream ended in the middle of a frame.");

    public static ProtocolException NotReading(int bytes) => new($"The peer left {bytes} bytes of answers unread.");

    public static ProtocolException BadMessage(string what, string why) => new($"The peer's {what} is not valid: {why}.");

    public static ProtocolException BadMessage(string what, Exception cause) => new($"The peer's {what} is not valid: {cause.Message}", cause);
}
