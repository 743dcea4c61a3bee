import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.Image;
import java.awt.image.BufferedImage;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;

/** Reads images from standard input, resizes each with AWT, and writes them to standard output. */
class GetScaledInstance {
    static BufferedImage read(DataInputStream in) throws Exception {
        int height = in.readInt(), width = in.readInt(), channels = in.readInt();
        var pixels = new byte[height * width * channels];
        in.readFully(pixels);
        int type = switch (channels) {
            case 1 -> BufferedImage.TYPE_BYTE_GRAY;
            case 3 -> BufferedImage.TYPE_3BYTE_BGR;
            default -> BufferedImage.TYPE_4BYTE_ABGR;
        };
        var image = new BufferedImage(width, height, type);
        for (int i = 0, at = 0; i < width * height; i++, at += channels) {
            int x = i % width, y = i / width;
            if (channels == 1) {
                image.getRaster().setSample(x, y, 0, pixels[at] & 255);
            } else { // blue first
                int alpha = channels == 4 ? pixels[at + 3] & 255 : 255;
                int red = pixels[at + 2] & 255, green = pixels[at + 1] & 255, blue = pixels[at] & 255;
                image.setRGB(x, y, new Color(red, green, blue, alpha).getRGB());
            }
        }
        return image;
    }

    public static void main(String[] none) throws Exception {
        var in = new DataInputStream(new BufferedInputStream(System.in));
        var out = new DataOutputStream(new BufferedOutputStream(System.out));
        for (int count = in.readInt(); count > 0; count--) {
            int height = in.readInt(), width = in.readInt();
            int hint = Image.class.getField(in.readUTF()).getInt(null);
            var target = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
            Graphics2D canvas = target.createGraphics();
            canvas.drawImage(read(in).getScaledInstance(width, height, hint), 0, 0, null);
            canvas.dispose();
            for (int at = 0; at < width * height; at++) { // red first
                int rgb = target.getRGB(at % width, at / width);
                out.writeByte(rgb >> 16);
                out.writeByte(rgb >> 8);
                out.writeByte(rgb);
            }
        }
        out.flush();
    }
}
