using System.Security;
using System.Text;

namespace RunnerVm.Options.Yaml;

/// <summary>Reads small files that a person named, and words for why that failed.</summary>
internal static class BoundedFile
{
    public static UTF8Encoding StrictUtf8 { get; } = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>All bytes up to the end, or null when there are more than <paramref name="maximum"/>.</summary>
    public static byte[]? Read(Stream stream, int maximum)
    {
        using var content = new MemoryStream();
        var buffer = new byte[8192];
        for (int count; (count = stream.Read(buffer)) > 0;)
        {
            if (content.Length + count > maximum) return null;
            content.Write(buffer, 0, count);
        }

        return content.ToArray();
    }

    /// <summary>True for what opening and reading a wrong path throws, false for our own mistakes.</summary>
    public static bool IsReadFailure(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or SecurityException or ArgumentException or NotSupportedException;

    public static string Explain(Exception exception) => exception switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file",
        UnauthorizedAccessException => "it is a folder, or permission is denied",
        _ => Quoted.Line(exception.Message, 200).TrimEnd('.'),
    };
}
